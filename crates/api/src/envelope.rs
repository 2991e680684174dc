//! The two envelopes that every JSON answer comes in: `{"data": …}` and `{"error": {"code", "message"}}`.

use serde::Serialize;
use utoipa::ToSchema;

/// The envelope of a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Data<T> {
    /// What was asked for.
    pub data: T,
}

impl<T> Data<T> {
    /// Puts `data` into its envelope.
    pub const fn of(data: T) -> Self {
        Self { data }
    }
}

/// The envelope of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorResponse {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// The HTTP status again.
    #[schema(example = 404)]
    pub code: u16,
    /// What happened, and what to do next.
    #[schema(example = "Session not found.")]
    pub message: String,
}

impl ErrorResponse {
    /// Makes the envelope of a failure.
    pub const fn new(code: u16, message: String) -> Self {
        Self { error: ErrorDetail { code, message } }
    }
}

/// How a change went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeStatus {
    /// All of it was done.
    Success,
    /// It was done, but something that hung on it was not: the receipts tell what.
    Failed,
}

/// A change that has nothing more to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SuccessResponse {
    /// Always `success`.
    pub status: ChangeStatus,
}

impl SuccessResponse {
    /// `{"status": "success"}`.
    pub const SUCCESS: Self = Self { status: ChangeStatus::Success };
}

/// A list that is not paged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Items<T> {
    /// How many there are.
    pub count: usize,
    /// They.
    pub items: Vec<T>,
}

impl<T> FromIterator<T> for Items<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let items: Vec<T> = items.into_iter().collect();
        Self { count: items.len(), items }
    }
}

/// Which page of a list an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pagination {
    /// This page's number, from 1.
    pub current_page: u32,
    /// How many pages there are.
    pub total_pages: u64,
    /// How many match, on all pages.
    pub total_records: u64,
    /// Whether there is a page after this one.
    pub has_next: bool,
    /// Whether there is a page before this one.
    pub has_prev: bool,
}

impl Pagination {
    /// Describes page `current_page`, from 1, of `total_records` at `limit` to a page, at least 1.
    pub fn new(current_page: u32, limit: u32, total_records: u64) -> Self {
        let total_pages = total_records.div_ceil(u64::from(limit.max(1)));
        Self {
            current_page,
            total_pages,
            total_records,
            has_next: u64::from(current_page) < total_pages,
            has_prev: current_page > 1 && total_pages > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_know_their_neighbours() {
        let page = |page, total| {
            let page = Pagination::new(page, 10, total);
            (page.total_pages, page.has_prev, page.has_next)
        };
        assert_eq!(page(1, 0), (0, false, false));
        assert_eq!(page(1, 10), (1, false, false));
        assert_eq!(page(1, 11), (2, false, true));
        assert_eq!(page(2, 11), (2, true, false));
        assert_eq!(page(7, 11), (2, true, false));
    }
}
