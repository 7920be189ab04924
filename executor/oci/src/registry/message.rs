//! What registries and their token servers say about failures.

use serde_json::Value;
use sinter_http::HttpResponse;

/// No error message is longer.
const LONGEST_MESSAGE: u64 = 64 << 10;

/// What an answer says in words (distribution-spec v1.1, "Error Codes").
pub(super) fn message(response: &mut HttpResponse) -> String {
    let body = response.bytes(LONGEST_MESSAGE).unwrap_or_default();
    let document: Option<Value> = serde_json::from_slice(&body).ok();
    let first = document.as_ref().and_then(|document| document["errors"].get(0));
    let part = |name: &str| first.and_then(|error| error[name].as_str()).filter(|text| !text.is_empty());
    let text = match (part("message"), part("code")) {
        (Some(message), Some(code)) => format!("{message} ({code})"),
        (Some(message), None) => message.to_owned(),
        (None, Some(code)) => code.to_owned(),
        (None, None) => {
            let plain = document.as_ref().and_then(|document| document["message"].as_str()).map(str::to_owned);
            plain.unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_owned())
        }
    };
    let short: String = text.chars().filter(|character| !character.is_control()).take(300).collect();
    if short.is_empty() { format!("status {}", response.status()) } else { short }
}
