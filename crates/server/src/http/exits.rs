//! `/v1/exits/…`: the ways out to the network that the operator configured.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use roadstead_api::{Data, ErrorResponse, Exit, ExitCheck, Items, ProjectId};

use super::TAG_EXITS;
use super::error::Failure;
use crate::app::App;
use crate::audit::{Action, Entry};
use crate::caller::Caller;
use crate::error::EXIT_NOT_FOUND;
use crate::exits;

/// List exits
///
/// The ways out to the network that the server's operator configured: which address each shows, whether it is reserved for a
/// profile, and what the last check found.
#[utoipa::path(
    get, path = "/exits", tag = TAG_EXITS,
    responses((status = 200, description = "All exits, in the order of the configuration.", body = Data<Items<Exit>>))
)]
pub async fn list_exits(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Data<Items<Exit>>>, Failure> {
    let overview = app.exits().overview().await?;
    Ok(Json(Data::of(overview.into_iter().map(|exit| shown(exit, caller.project)).collect())))
}

/// Check an exit
///
/// Now, the way that every session that uses it does before its first page.
#[utoipa::path(
    post, path = "/exits/{name}/check", tag = TAG_EXITS, params(("name" = String, Path, description = "The exit's name.")),
    responses(
        (status = 200, description = "What the check found.", body = Data<ExitCheck>),
        (status = 404, description = "Exit not found.", body = ErrorResponse),
    )
)]
pub async fn check_exit(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Data<ExitCheck>>, Failure> {
    let exit = app.exits().find(&name).ok_or(EXIT_NOT_FOUND)?;
    app.db().record(&caller.actor(), &Entry::of(Action::ExitCheck).on(exit.name())).await?;
    Ok(Json(Data::of(check(app.exits().check(exit, None).await))))
}

/// Shows an exit to a project. A profile of another one is not named.
fn shown(overview: exits::ExitOverview, project: ProjectId) -> Exit {
    let address = overview.address();
    let exits::ExitOverview { exit, default, reservation, last_check } = overview;
    Exit {
        name: exit.name().to_string(),
        kind: exit.kind(),
        address,
        default,
        reserved: reservation.is_some(),
        profile: reservation.filter(|held| held.project.0 == project).map(|held| held.profile.to_string()),
        country_code: exit.place.country_code,
        region: exit.place.region,
        city: exit.place.city,
        last_check: last_check.map(check),
    }
}

fn check(check: exits::ExitCheck) -> ExitCheck {
    ExitCheck {
        at: check.at,
        ok: check.problem.is_none(),
        address: check.address,
        problem: check.problem,
        duration_ms: u64::try_from(check.took.as_millis()).unwrap_or(u64::MAX),
    }
}
