//! An account's orders (RFC 8555 section 7.1.2.1), the newest first, in pages.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::problem::{Kind, Problem};
use super::request::ByAccount;
use super::{Service, ascii, order};
use crate::store::{Order, OrderState, Select};

/// Orders on a page.
const PAGE: u32 = 100;

/// POST-as-GET of the first page.
pub(super) async fn first(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    by: ByAccount,
) -> Result<Response, Problem> {
    page(&service, &id, None, &by).await
}

/// POST-as-GET of a page further on. Where it begins stands in its path: RFC 8555 section 6.4 wants a request to be
/// signed for the very URL.
pub(super) async fn next(
    State(service): State<Arc<Service>>,
    Path((id, after)): Path<(String, String)>,
    by: ByAccount,
) -> Result<Response, Problem> {
    let after = after.split_once('.').and_then(|(created, id)| Some((created.parse().ok()?, id.to_owned())));
    page(&service, &id, Some(after.ok_or_else(Problem::not_found)?), &by).await
}

async fn page(service: &Service, id: &str, after: Option<(u64, String)>, by: &ByAccount) -> Result<Response, Problem> {
    by.payload.none()?;
    if by.account.id != id {
        return Err(Problem::new(Kind::Unauthorized, "this is another account's"));
    }
    let found = service.store.orders(Select::OrdersOf { account: id.to_owned(), after, limit: PAGE }).await?;
    let now = service.now();
    // RFC 8555 section 7.1.2.1: invalid ones should be left out, as far as they tell it themselves.
    let listed = found.iter().filter(|o| !order::has_lapsed(o, now) && !matches!(o.state, OrderState::Invalid(_)));
    let urls: Vec<_> = listed.map(|o| service.url(&format!("/order/{}", o.id))).collect();
    let mut response = Json(json!({"orders": urls})).into_response();
    if let Some(last) = found.last().filter(|_| found.len() == PAGE as usize) {
        response.headers_mut().append(header::LINK, ascii(&format!("<{}>;rel=\"next\"", next_url(service, last))));
    }
    Ok(response)
}

fn next_url(service: &Service, last: &Order) -> String {
    service.url(&format!("/account/{}/orders/{}.{}", last.account, last.created, last.id))
}
