//! The OpenAPI document: what the routes' annotations do not say themselves.

use roadstead_api::ErrorResponse;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, ResponseBuilder};

use super::auth::API_KEY;

/// The security scheme's name, which the published document uses too.
const SCHEME: &str = "api_key_header";

/// What every operation behind the key can answer.
const OF_ALL: &[(&str, &str)] = &[
    ("400", "The request is malformed; says which field, and why."),
    ("401", "Invalid API Key"),
    ("429", "Too many wrong keys or tokens came from the client's address."),
    ("500", "The server failed."),
];
/// What an operation with a body can answer besides.
const OF_BODIES: &[(&str, &str)] = &[
    ("408", "The body did not arrive in time."),
    ("413", "The body is too large."),
    ("415", "The body says that it is not JSON."),
];

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Roadstead",
        description = "A self-hosted browser service that speaks the Anchor Browser API.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(ErrorResponse))
)]
struct Document;

/// Returns the document without any route.
pub fn base() -> OpenApi {
    let mut document = Document::openapi();
    let key =
        ApiKeyValue::with_description(API_KEY.as_str(), "A project's key, from `roadstead keys create`.");
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(SCHEME, SecurityScheme::ApiKey(ApiKey::Header(key)));
    document
}

/// Says of every operation what the layers in front of all of them do: they want a key, everything can go wrong, and so can the
/// body of those that have one.
pub fn demand_key(document: &mut OpenApi) {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        operation.security = Some(vec![SecurityRequirement::new::<_, _, String>(SCHEME, [])]);
        let of_bodies = if operation.request_body.is_some() { OF_BODIES } else { &[] };
        let responses = &mut operation.responses.responses;
        for (status, description) in OF_ALL.iter().chain(of_bodies).copied() {
            responses.entry(status.to_owned()).or_insert_with(|| failure(description).into());
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete]
        .into_iter()
        .filter_map(Option::as_mut)
}

fn failure(description: &str) -> utoipa::openapi::Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorResponse"))).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}
