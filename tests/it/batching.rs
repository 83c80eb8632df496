//! When records leave: lingering, full batches, requests, and who cuts the wait short.
