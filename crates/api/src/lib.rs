//! The wire: request and response types, ids and names of the HTTP API, with their serde and OpenAPI derives. No I/O.

pub mod audit;
pub mod batch;
pub mod billing;
pub mod drive;
pub mod envelope;
pub mod event;
pub mod exit;
pub mod extension;
pub mod files;
pub mod history;
pub mod identity;
pub mod ids;
mod object;
pub mod profile;
pub mod receipt;
pub mod recording;
pub mod restore;
pub mod revision;
pub mod session;
pub mod session_create;
pub mod session_token;
pub mod tools;
pub mod webhook;

pub use audit::{AuditEntry, AuditKey, AuditPage};
pub use batch::{
    AsyncProgress, AsyncSessionCreated, AsyncSessionStatus, BatchCancelled, BatchCreateRequest, BatchCreated,
    BatchDeleted, BatchDeletionError, BatchDetails, BatchItem, BatchList, BatchProgress, BatchRetried,
    BatchRetryRequest, BatchSummary, BatchUpdateRequest,
};
pub use billing::BillingInfo;
pub use drive::{
    ButtonRequest, ClickRequest, ClipboardRequest, ClipboardText, Copied, DragRequest, Driven, GotoRequest,
    MouseButton, MoveRequest, PasteRequest, ScrollRequest, ShortcutRequest, TypeRequest,
};
pub use envelope::{ChangeStatus, Data, ErrorDetail, ErrorResponse, Items, Pagination, SuccessResponse};
pub use event::{EventSignalRequest, EventWaitRequest};
pub use exit::{Exit, ExitCheck};
pub use extension::{Certificate, CertificateForm, Extension, ExtensionForm};
pub use files::{AgentFile, AgentFiles, DownloadItem, UploadForm, Uploaded};
pub use history::{HistoryPoint, HistorySummary, SessionHistory};
pub use identity::{
    Application, ApplicationCreateRequest, ApplicationList, AuthFlow, AuthFlowCreateRequest, AuthFlowList,
    AuthFlowUpdateRequest, AuthMethod, Credential, CredentialField, CustomField, Deleted, Identity,
    IdentityCreateRequest, IdentityCredentials, IdentityDeleted, IdentityList, IdentityUpdateRequest,
};
pub use ids::{
    ApiKeyId, ApplicationId, AuthFlowId, BatchId, CertificateId, DownloadId, ExtensionId, IdentityId,
    ProfileId, ProfileName, ProfileNameError, ProjectId, RecordingId, SessionId,
};
pub use profile::{
    Profile, ProfileChanged, ProfileCreateRequest, ProfileExit, ProfileFacts, ProfileUpdateRequest,
};
pub use receipt::{Captured, CookieCounts, DroppedCache, HeldBack, Receipt, SaveOutcome, SavedRevision};
pub use recording::{RecordingChanged, RecordingFrames, RecordingItem};
pub use restore::{NotRestored, RestoreReport, RestoredCounts};
pub use revision::{CheckpointRequest, Revision};
pub use session::{
    AllSessionsEnded, SessionCreated, SessionDetails, SessionEnded, SessionList, SessionListItem,
    SessionPageItem, SessionProfile, SessionProxy, SessionProxyChanged, SessionStatusItem, SessionTags,
    SessionTagsChanged, SessionTagsRequest,
};
pub use session_create::{ProxyConfig, SessionCreateRequest};
pub use session_token::{SessionToken, SessionTokenCreated, SessionTokensCreated, SessionTokensRequest};
pub use tools::{FetchWebpageRequest, PageFormat, PagePdfRequest, ScreenshotRequest};
pub use webhook::{
    InvalidWebhookId, Webhook, WebhookCreateRequest, WebhookDeleted, WebhookDeliveries, WebhookDelivery,
    WebhookEventType, WebhookId, WebhookList, WebhookPagination, WebhookTestRequest, WebhookTested,
    WebhookUpdateRequest, WebhookWithSecret,
};
