//! The two envelopes that every JSON answer comes in: `{"data": …}` and `{"error": {"code", "message"}}`.

use serde::Serialize;
use utoipa::ToSchema;

/// The envelope of a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
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
