//! An interceptor in the simulation. It is called with each outcome beside the callback, and must have
//! been called as often.

use crate::accumulator::Outcome;
use crate::interceptor::{Acknowledgement, Interceptors, ProducerInterceptor};
use crate::sim::promise::{I1, broken_if};
use crate::sync::{Arc, AtomicU64, Ordering};

/// How many outcomes the interceptor was called with.
#[derive(Clone, Debug, Default)]
pub(super) struct CountingInterceptor(Arc<AtomicU64>);

impl ProducerInterceptor for CountingInterceptor {
    fn on_acknowledgement(&self, _: &Acknowledgement<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl CountingInterceptor {
    /// For the accumulator.
    pub(super) fn interceptors(&self) -> Option<Arc<Interceptors>> {
        let own: Arc<dyn ProducerInterceptor> = Arc::new(self.clone());
        Interceptors::new([("counting".to_owned(), own)])
    }

    /// Runs the callbacks of an outcome, and compares after each how often the interceptor was called.
    pub(super) fn tell(&self, outcome: Outcome) {
        let heard = || self.0.load(Ordering::Relaxed);
        let (before, records) = (heard(), outcome.completions.len() as u64);
        let mut told = 0;
        outcome.run_callbacks(|_, called| {
            called.expect("the checker's callbacks do not panic");
            told += 1;
            broken_if(I1, heard() != before + told, || {
                let heard = heard() - before;
                format!("an interceptor has heard of {heard} outcomes and callbacks of {told}")
            });
        });
        broken_if(I1, told != records, || {
            format!("{told} of {records} records were told")
        });
    }
}
