//! What the mock cluster makes of requests that are longer or shorter than they should be, or of a
//! version that it does not know.

use super::*;

/// As Kafka 4.4.0 does, whatever the API: librdkafka 2.16 asked so when it listed topics.
#[test]
fn a_request_with_bytes_behind_it_is_answered() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    let frame = b"\0\0\0\x18\0\x03\0\x0d\0\0\0\x03\0\x07rdkafka\0\0\0\0\0\x01\0\0";
    client.stream.write_all(frame).unwrap();
    client.correlation_id = 3;
    let Response::Metadata(metadata) = client.receive(ApiKey::Metadata, 13) else {
        panic!("asked for metadata");
    };
    assert_eq!(metadata.brokers.len(), 1);
    let requests = cluster.requests();
    let last = requests.last().unwrap();
    assert!(matches!(last.content, MockRequestContent::Metadata { .. }));
}

#[test]
fn a_request_that_cannot_be_read_is_refused_by_its_name() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    // It ends before its last three fields.
    let frame = b"\0\0\0\x12\0\x03\0\x0d\0\0\0\x03\0\x07rdkafka\0";
    client.stream.write_all(frame).unwrap();
    assert!(client.is_closed());
    // Of a version that is known, so it is not answered with the known ones.
    let mut client = Client::connect(&cluster, 1);
    let frame = b"\0\0\0\x12\0\x12\0\x03\0\0\0\x03\0\x07rdkafka\0";
    client.stream.write_all(frame).unwrap();
    assert!(client.is_closed());
    let mut client = Client::connect(&cluster, 1);
    client.stream.write_all(b"\0\0\0\x02\0\x03").unwrap();
    assert!(client.is_closed());
    let expected = [
        (
            Api::Metadata,
            13,
            Some("rdkafka"),
            "not Metadata version 13: ",
        ),
        (
            Api::ApiVersions,
            3,
            Some("rdkafka"),
            "not ApiVersions version 3: ",
        ),
        (Api::Other(-1), -1, None, "not a request: "),
    ];
    let requests = cluster.requests();
    assert_eq!(requests.len(), expected.len());
    for (request, (api, version, client_id, words)) in requests.iter().zip(expected) {
        assert_eq!((request.api, request.version), (api, version));
        assert_eq!(request.client_id.as_deref(), client_id);
        let MockRequestContent::Refused(why) = &request.content else {
            panic!("{request:?}");
        };
        assert!(why.starts_with(words), "{why}");
    }
}

/// However it comes about: who does not know the version cannot answer in it (KIP-511).
#[test]
fn says_in_version_0_that_it_does_not_know_the_version_of_api_versions() {
    let cluster = one_broker();
    cluster
        .on(Api::ApiVersions)
        .answer(ErrorCode::UNSUPPORTED_VERSION);
    let mut client = Client::connect(&cluster, 1);
    client.send(&Request::ApiVersions(ApiVersionsRequest::ours()), 3);
    let mut answer = [0; 4 + 4 + 2 + 4 + 6];
    client.stream.read_exact(&mut answer).unwrap();
    let newest = ApiKey::ApiVersions.versions().max.to_be_bytes();
    let expected = [
        &[0, 0, 0, 16, 0, 0, 0, 1, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0][..],
        &newest,
    ];
    assert_eq!(answer[..], expected.concat());
    assert_eq!(client.api_versions(0).error, ErrorCode::NONE);
}
