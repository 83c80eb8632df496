//! The codec as a whole: every message in every version, there and back, against another
//! implementation, and damaged.

mod damage;
mod messages;
mod oracle;

use proptest::prelude::*;

use super::broker::{RequestError, decode_request, encode_response};
use super::error_code::ErrorCode;
use super::frame::{FrameReader, LENGTH_BYTES, MAX_FRAME_BYTES};
use super::messages::{ApiVersionRange, ApiVersionsRequest, ApiVersionsResponse};
use super::{ApiKey, Request, Response, decode_response, encode_request};

/// Each case goes through all versions of its message.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A request as a body, without the frame's length.
fn request_body(request: &Request, version: i16) -> Vec<u8> {
    let frame = encode_request(request, version, 77, "tester");
    frame.to_vec().split_off(LENGTH_BYTES)
}

/// A response as a body, without the frame's length.
fn response_body(response: &Response, version: i16) -> Vec<u8> {
    let frame = encode_response(response, version, 78);
    frame.to_vec().split_off(LENGTH_BYTES)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn requests_come_back_in_every_version(request in messages::any_request()) {
        for version in request.api_key().versions().iter() {
            let body = request_body(&request, version);
            let (header, decoded) = decode_request(&body).expect("our own bytes");
            prop_assert_eq!(header.api_key, request.api_key().code());
            prop_assert_eq!(header.api_version, version);
            prop_assert_eq!(header.correlation_id, 77);
            prop_assert_eq!(header.client_id.as_deref(), Some("tester"));
            prop_assert_eq!(decoded, messages::request_at(version, &request));
        }
    }

    #[test]
    fn responses_come_back_in_every_version(response in messages::any_response()) {
        let api = response.api_key();
        for version in api.versions().iter() {
            let body = response_body(&response, version);
            let decoded = decode_response(api, version, &body).expect("our own bytes");
            prop_assert_eq!(decoded, (78, messages::response_at(version, &response)));
        }
    }

    #[test]
    fn writes_requests_as_the_oracle_does(request in messages::any_request()) {
        for version in messages::oracle_versions(request.api_key()) {
            let ours = request_body(&request, version);
            prop_assert_eq!(ours, messages::oracle_request(&request, version, false));
        }
    }

    #[test]
    fn writes_responses_as_the_oracle_does(response in messages::any_response()) {
        for version in messages::oracle_versions(response.api_key()) {
            let ours = response_body(&response, version);
            prop_assert_eq!(ours, messages::oracle_response(&response, version, false));
        }
    }

    #[test]
    fn the_oracle_reads_our_requests(request in messages::any_request()) {
        for version in messages::oracle_versions(request.api_key()) {
            messages::assert_oracle_reads_request(&request_body(&request, version), &request, version);
        }
    }

    #[test]
    fn the_oracle_reads_our_responses(response in messages::any_response()) {
        for version in messages::oracle_versions(response.api_key()) {
            messages::assert_oracle_reads_response(&response_body(&response, version), &response, version);
        }
    }

    #[test]
    fn reads_the_oracle_s_requests_past_fields_it_does_not_know(request in messages::any_request()) {
        for version in messages::oracle_versions(request.api_key()) {
            let body = messages::oracle_request(&request, version, true);
            let (_, decoded) = decode_request(&body).expect("the oracle's bytes");
            prop_assert_eq!(decoded, messages::request_at(version, &request));
        }
    }

    #[test]
    fn reads_the_oracle_s_responses_past_fields_it_does_not_know(response in messages::any_response()) {
        let api = response.api_key();
        for version in messages::oracle_versions(api) {
            let body = messages::oracle_response(&response, version, true);
            let (_, decoded) = decode_response(api, version, &body).expect("the oracle's bytes");
            prop_assert_eq!(decoded, messages::response_at(version, &response));
        }
    }
}

#[test]
fn the_oracle_knows_every_version_of_ours() {
    for api in ApiKey::ALL.iter().copied() {
        for version in api.versions().iter() {
            // Kafka 4.4's; the tests on a real broker of 4.4 speak them.
            let is_too_new = [(ApiKey::ApiVersions, 5), (ApiKey::TxnOffsetCommit, 6)];
            let is_too_new = is_too_new.contains(&(api, version));
            assert_eq!(
                messages::oracle_knows(api, version),
                !is_too_new,
                "{api} {version}"
            );
        }
    }
}

#[test]
fn reads_an_old_broker_s_refusal_of_api_versions() {
    let refusal = Response::ApiVersions(ApiVersionsResponse::new(
        ErrorCode::UNSUPPORTED_VERSION,
        vec![ApiVersionRange {
            api_key: 18,
            min: 0,
            max: 2,
        }],
    ));
    let body = response_body(&refusal, 0);
    for version in ApiKey::ApiVersions.versions().iter() {
        let decoded = decode_response(ApiKey::ApiVersions, version, &body);
        assert_eq!(decoded, Ok((78, refusal.clone())));
    }
}

#[test]
fn reads_the_refusal_of_a_broker_that_lists_nothing() {
    let body = b"\0\0\0\x01\0\x23\0\0\0\0";
    let (_, response) = decode_response(ApiKey::ApiVersions, 4, body).expect("version 0");
    let Response::ApiVersions(response) = response else {
        panic!("asked for API versions");
    };
    assert_eq!(response.error, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(response.apis, []);
}

#[test]
fn names_the_request_whose_version_is_not_served() {
    let mut body = request_body(&Request::ApiVersions(ApiVersionsRequest::ours()), 4);
    for (api, version, message) in [
        (0, 2, "Produce version 2 is not one of 3 to 13"),
        (18, 6, "ApiVersions version 6 is not one of 0 to 5"),
        (3, -1, "Metadata version -1 is not one of 4 to 13"),
        (19, 4, "API 19 is not served"),
    ] {
        body[..2].copy_from_slice(&i16::to_be_bytes(api));
        body[2..4].copy_from_slice(&i16::to_be_bytes(version));
        let error = decode_request(&body).expect_err(message);
        assert_eq!(error.to_string(), message);
        let RequestError::Unsupported(header) = error else {
            panic!("the header is fine");
        };
        assert_eq!((header.api_key, header.api_version), (api, version));
        assert_eq!(header.correlation_id, 77);
        assert_eq!(header.client_id.as_deref(), Some("tester"));
    }
}

#[test]
fn leaves_alone_what_stands_behind_a_message() {
    for api in ApiKey::ALL.iter().copied() {
        for version in api.versions().iter() {
            let request = messages::example_request(api);
            let mut body = request_body(&request, version);
            let alone = decode_request(&body).expect("our own bytes");
            body.extend([0, 1, 0xff]);
            assert_eq!(decode_request(&body), Ok(alone), "{api} {version}");

            let mut body = response_body(&messages::example_response(api), version);
            let alone = decode_response(api, version, &body).expect("our own bytes");
            body.extend([0, 1, 0xff]);
            let decoded = decode_response(api, version, &body);
            assert_eq!(decoded, Ok(alone), "{api} {version}");
        }
    }
}

#[test]
fn names_the_request_that_cannot_be_read() {
    let body = request_body(&messages::example_request(ApiKey::Metadata), 12);
    let error = decode_request(&body[..body.len() - 1]).expect_err("cut short");
    assert!(
        error.to_string().starts_with("not Metadata version 12: "),
        "{error}"
    );
    let error = decode_request(&body[..5]).expect_err("no header");
    assert!(error.to_string().starts_with("not a request: "), "{error}");
}

#[test]
fn messages_come_through_however_the_stream_is_cut() {
    let mut stream = Vec::new();
    let mut bodies = Vec::new();
    for api in ApiKey::ALL.iter().copied() {
        for version in api.versions().iter() {
            let body = response_body(&messages::example_response(api), version);
            let length = i32::try_from(body.len()).expect("a small message");
            stream.extend(length.to_be_bytes());
            stream.extend(&body);
            bodies.push(body);
        }
    }
    for split in 0..=stream.len() {
        let mut reader = FrameReader::new(MAX_FRAME_BYTES);
        let mut popped = 0;
        let (first, second) = stream.split_at(split);
        for part in [first, second] {
            reader.push(part);
            while let Some(body) = reader.pop().expect("good frames") {
                assert_eq!(body, bodies[popped]);
                popped += 1;
            }
        }
        assert_eq!(popped, bodies.len());
        assert!(reader.is_empty());
    }
}
