//! `FindCoordinator`: see [`Specimen`].

use kafka_protocol::messages as theirs;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{Specimen, error_code, estranged, name, node, optional, string, text, vec_bytes};
use crate::ids::NodeId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::*;
use crate::sync::Arc;

impl Specimen for FindCoordinatorRequest {
    type Theirs = theirs::FindCoordinatorRequest;

    fn any() -> BoxedStrategy<Self> {
        (any::<i8>(), vec(name(), 1..2))
            .prop_map(|(key_type, keys)| Self {
                key_type: KeyType(key_type),
                keys,
            })
            .boxed()
    }

    fn example() -> Self {
        Self {
            key_type: KeyType::TRANSACTIONAL_ID,
            keys: vec![Arc::from("transaction")],
        }
    }

    fn cut(&mut self, version: i16) {
        if version < 1 {
            self.key_type = KeyType::GROUP;
        }
    }

    fn heap_bytes(&self) -> usize {
        vec_bytes(&self.keys, |key| key.len())
    }

    fn theirs(&self, version: i16, strangers: bool) -> Self::Theirs {
        let message = theirs::FindCoordinatorRequest::default().with_key_type(self.key_type.0);
        let message = match version {
            4.. => message.with_coordinator_keys(self.keys.iter().map(|key| string(key)).collect()),
            _ => message.with_key(string(&self.keys[0])),
        };
        estranged!(message, strangers)
    }
}

impl Specimen for FindCoordinatorResponse {
    type Theirs = theirs::FindCoordinatorResponse;

    fn any() -> BoxedStrategy<Self> {
        let broker = (node(), text(), any::<i32>());
        let coordinator = (text(), broker, error_code(), option::of(text())).prop_map(
            |(key, (node, host, port), error, error_message)| Coordinator {
                key,
                node,
                host,
                port,
                error,
                error_message,
            },
        );
        (any::<i32>(), vec(coordinator, 1..2))
            .prop_map(|(throttle_time_ms, coordinators)| Self {
                throttle_time_ms,
                coordinators,
            })
            .boxed()
    }

    fn example() -> Self {
        Self {
            throttle_time_ms: 6,
            coordinators: vec![Coordinator {
                key: "transaction".to_owned(),
                node: NodeId(3),
                host: "broker".to_owned(),
                port: 9092,
                error: ErrorCode::NONE,
                error_message: Some("NONE".to_owned()),
            }],
        }
    }

    fn cut(&mut self, version: i16) {
        if version < 1 {
            self.throttle_time_ms = 0;
        }
        for coordinator in &mut self.coordinators {
            if version < 4 {
                coordinator.key.clear();
            }
            if version < 1 {
                coordinator.error_message = None;
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        vec_bytes(&self.coordinators, |one| {
            let message = one.error_message.as_ref().map_or(0, String::capacity);
            one.key.capacity() + one.host.capacity() + message
        })
    }

    fn theirs(&self, version: i16, strangers: bool) -> Self::Theirs {
        let message =
            theirs::FindCoordinatorResponse::default().with_throttle_time_ms(self.throttle_time_ms);
        let message = match version {
            4.. => {
                let coordinator = |one: &Coordinator| {
                    let message = theirs::find_coordinator_response::Coordinator::default()
                        .with_key(string(&one.key))
                        .with_node_id(theirs::BrokerId(one.node.0))
                        .with_host(string(&one.host))
                        .with_port(one.port)
                        .with_error_code(one.error.code())
                        .with_error_message(optional(one.error_message.as_ref()));
                    estranged!(message, strangers)
                };
                message.with_coordinators(self.coordinators.iter().map(coordinator).collect())
            }
            _ => {
                let one = &self.coordinators[0];
                let message = match version {
                    // It takes the text for empty then.
                    0 => message,
                    _ => message.with_error_message(optional(one.error_message.as_ref())),
                };
                message
                    .with_error_code(one.error.code())
                    .with_node_id(theirs::BrokerId(one.node.0))
                    .with_host(string(&one.host))
                    .with_port(one.port)
            }
        };
        estranged!(message, strangers)
    }
}
