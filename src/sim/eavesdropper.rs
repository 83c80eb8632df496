//! An interceptor in the simulation: it hears of outcomes beside the callbacks, and must hear of as
//! many.

use crate::accumulator::Outcome;
use crate::interceptor::{Acknowledgement, Interceptors, ProducerInterceptor};
use crate::sim::promise::{I1, broken_if};
use crate::sync::{Arc, AtomicU64, Ordering};

/// How many outcomes have been told, as an interceptor hears it.
#[derive(Clone, Debug, Default)]
pub(super) struct Eavesdropper(Arc<AtomicU64>);

impl ProducerInterceptor for Eavesdropper {
    fn on_acknowledgement(&self, _: &Acknowledgement<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Eavesdropper {
    /// For the accumulator.
    pub(super) fn interceptors(&self) -> Option<Arc<Interceptors>> {
        let own: Arc<dyn ProducerInterceptor> = Arc::new(self.clone());
        Interceptors::new([("eavesdropper".to_owned(), own)])
    }

    /// Tells the outcome, and counts what is heard of it.
    pub(super) fn tell(&self, outcome: Outcome) {
        let heard = || self.0.load(Ordering::Relaxed);
        let (before, records) = (heard(), outcome.completions.len() as u64);
        let mut told = 0;
        let ended = outcome.run_callbacks(|_, called| {
            called.expect("the checker's callbacks do not panic");
            told += 1;
            broken_if(I1, heard() != before + told, || {
                let heard = heard() - before;
                format!("an interceptor has heard of {heard} outcomes and callbacks of {told}")
            });
        });
        ended.expect("they capture nothing that panics");
        broken_if(I1, told != records, || {
            format!("{told} of {records} records were told")
        });
    }
}
