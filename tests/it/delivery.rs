//! What was sent is what arrives, and the outcome tells where.

use linger::ProducerRecord;

use crate::support::{Outcomes, Setup};

#[test]
fn the_outcome_prints_where_the_record_landed() {
    let (cluster, producer) = Setup::new().topic("orders", 3).start();
    let outcomes = Outcomes::new();
    for number in 0..2 {
        let record = ProducerRecord::new("orders", "placed")
            .key("user123")
            .partition(2);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    producer.flush().unwrap();
    let landed = outcomes.acknowledged(2);
    assert_eq!(landed[0].1.to_string(), "orders-2@0");
    assert_eq!(landed[1].1.to_string(), "orders-2@1");
    assert_eq!(landed[0].1.key_size(), Some(7));
    assert_eq!(landed[0].1.value_size(), Some(6));
    assert_eq!(cluster.records("orders", 2).len(), 2);
}
