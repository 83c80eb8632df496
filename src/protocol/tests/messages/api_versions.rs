//! `ApiVersions`: see [`Specimen`].

use kafka_protocol::messages as theirs;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{Specimen, error_code, estranged, string, text, vec_bytes};
use crate::ids::NodeId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::*;

impl Specimen for ApiVersionsRequest {
    type Theirs = theirs::ApiVersionsRequest;

    fn any() -> BoxedStrategy<Self> {
        (text(), text(), option::of(text()), any::<i32>())
            .prop_map(
                |(client_software_name, client_software_version, cluster_id, node)| Self {
                    client_software_name,
                    client_software_version,
                    cluster_id,
                    node: NodeId(node),
                },
            )
            .boxed()
    }

    fn example() -> Self {
        Self {
            cluster_id: Some("cluster".to_owned()),
            node: NodeId(3),
            ..Self::ours()
        }
    }

    fn cut(&mut self, version: i16) {
        if version < 3 {
            self.client_software_name.clear();
            self.client_software_version.clear();
        }
        if version < 5 {
            self.cluster_id = None;
            self.node = NodeId(-1);
        }
    }

    fn heap_bytes(&self) -> usize {
        let cluster_id = self.cluster_id.as_ref();
        self.client_software_name.capacity()
            + self.client_software_version.capacity()
            + cluster_id.map_or(0, String::capacity)
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        let message = theirs::ApiVersionsRequest::default()
            .with_client_software_name(string(&self.client_software_name))
            .with_client_software_version(string(&self.client_software_version));
        estranged!(message, strangers)
    }
}

impl Specimen for ApiVersionsResponse {
    type Theirs = theirs::ApiVersionsResponse;

    fn any() -> BoxedStrategy<Self> {
        // Never the one error whose answer is always in version 0.
        let error = error_code().prop_filter("answered in version 0", |error| {
            *error != ErrorCode::UNSUPPORTED_VERSION
        });
        let api =
            any::<[i16; 3]>().prop_map(|[api_key, min, max]| ApiVersionRange { api_key, min, max });
        let feature = (text(), any::<[i16; 2]>()).prop_map(|(name, [max_level, min_level])| {
            FinalizedFeature {
                name,
                max_level,
                min_level,
            }
        });
        let (apis, features) = (vec(api, 0..200), vec(feature, 0..4));
        (error, apis, any::<i32>(), any::<i64>(), features)
            .prop_map(|(error, apis, throttle_time_ms, epoch, features)| Self {
                error,
                apis,
                throttle_time_ms,
                finalized_features_epoch: epoch,
                finalized_features: features,
            })
            .boxed()
    }

    fn example() -> Self {
        Self {
            error: ErrorCode::NONE,
            apis: [0, 3, 18]
                .map(|api_key| ApiVersionRange {
                    api_key,
                    min: 0,
                    max: 4,
                })
                .into(),
            throttle_time_ms: 5,
            finalized_features_epoch: 7,
            finalized_features: vec![FinalizedFeature {
                name: "transaction.version".to_owned(),
                max_level: 2,
                min_level: 1,
            }],
        }
    }

    fn cut(&mut self, version: i16) {
        if version < 1 {
            self.throttle_time_ms = 0;
        }
        if version < 3 {
            self.finalized_features_epoch = -1;
            self.finalized_features.clear();
        }
    }

    fn heap_bytes(&self) -> usize {
        vec_bytes(&self.apis, |_| 0)
            + vec_bytes(&self.finalized_features, |feature| feature.name.capacity())
    }

    fn theirs(&self, version: i16, strangers: bool) -> Self::Theirs {
        let api = |api: &ApiVersionRange| {
            let message = theirs::api_versions_response::ApiVersion::default()
                .with_api_key(api.api_key)
                .with_min_version(api.min)
                .with_max_version(api.max);
            estranged!(message, strangers)
        };
        let feature = |feature: &FinalizedFeature| {
            let message = theirs::api_versions_response::FinalizedFeatureKey::default()
                .with_name(string(&feature.name))
                .with_max_version_level(feature.max_level)
                .with_min_version_level(feature.min_level);
            estranged!(message, strangers)
        };
        let features = self.finalized_features.iter().map(feature).collect();
        let message = theirs::ApiVersionsResponse::default()
            .with_error_code(self.error.code())
            .with_api_keys(self.apis.iter().map(api).collect())
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_finalized_features_epoch(self.finalized_features_epoch)
            .with_finalized_features(features);
        let message = estranged!(message, strangers);
        if strangers && version >= 3 {
            with_more(message)
        } else {
            message
        }
    }
}

/// What real brokers say beside that.
fn with_more(message: theirs::ApiVersionsResponse) -> theirs::ApiVersionsResponse {
    let supported = theirs::api_versions_response::SupportedFeatureKey::default()
        .with_name(string("metadata.version"))
        .with_min_version(1)
        .with_max_version(29);
    message
        .with_supported_features(vec![supported])
        .with_zk_migration_ready(true)
}
