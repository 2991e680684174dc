//! `roadstead check`: holds every revision in the database against the vault.
//!
//! Says which revisions are lost, and where; whatever is wrong with one profile, the others are checked all the same.

use std::collections::HashMap;
use std::process::ExitCode;

use roadstead_vault::{CheckReport, Vault, VaultError};

use super::print;
use crate::app::DataDir;
use crate::db::Db;
use crate::profile::{ProfileRecord, RevisionRecord, repository};

pub(super) async fn run(data_dir: &DataDir, read_data: bool) -> anyhow::Result<ExitCode> {
    let (db, vault) = (data_dir.database().await?, data_dir.vault()?);
    let (mut profiles, mut revisions, mut problems) = (0, 0, 0);
    for (project, _, profile) in db.all_profiles().await? {
        let findings = check_profile(&db, &vault, &profile, read_data).await?;
        profiles += 1;
        revisions += findings.revisions;
        problems += findings.problems.len();
        for problem in &findings.problems {
            print(format_args!("{project} {:?} {problem}", profile.name.as_str()))?;
        }
        // What is left is what an operator wants to know once something is lost.
        if !findings.problems.is_empty() && !findings.sound.is_empty() {
            let sound = findings.sound.join(", ");
            print(format_args!("{project} {:?} sound revisions: {sound}", profile.name.as_str()))?;
        }
    }
    print(format_args!("checked {profiles} profiles with {revisions} revisions: {problems} problems"))?;
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a check of one profile found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    revisions: usize,
    /// Each names the revision if it concerns one.
    problems: Vec<String>,
    /// The numbers of the revisions that can be opened.
    sound: Vec<String>,
}

async fn check_profile(
    db: &Db,
    vault: &Vault,
    profile: &ProfileRecord,
    read_data: bool,
) -> anyhow::Result<Findings> {
    let mut revisions = db.revisions(profile.id).await?;
    if revisions.is_empty() {
        return Ok(Findings::default());
    }
    let checked = vault.check(&repository(profile.id), read_data).await;
    // Beside a running server some may have been removed meanwhile: their rows go first, and are not missed.
    let now = db.revisions(profile.id).await?;
    revisions.retain(|revision| now.iter().any(|left| left.number == revision.number));
    Ok(findings(&revisions, checked))
}

/// Says in revisions what the vault said in snapshots.
fn findings(revisions: &[RevisionRecord], checked: Result<CheckReport, VaultError>) -> Findings {
    let mut findings = Findings { revisions: revisions.len(), ..Findings::default() };
    let report = match checked {
        Ok(report) => report,
        Err(problem) => {
            let problem = format!("no revision can be opened: failed to {:#}", anyhow::Error::from(problem));
            findings.problems.push(problem);
            return findings;
        }
    };
    let mut hurt = HashMap::new();
    for problem in &report.problems {
        match &problem.snapshot {
            Some(snapshot) => drop(hurt.insert(snapshot.as_str(), problem.what.as_str())),
            None => findings.problems.push(problem.what.clone()),
        }
    }
    for revision in revisions {
        let (number, digest) = (revision.number, revision.digest.as_str());
        if let Some(what) = hurt.remove(digest) {
            findings.problems.push(format!("revision {number}: {what}"));
        } else if report.sound.iter().any(|snapshot| snapshot.as_str() == digest) {
            findings.sound.push(number.to_string());
        } else {
            findings.problems.push(format!("revision {number}: its snapshot {digest} is missing"));
        }
    }
    let unpublished =
        hurt.into_iter().map(|(digest, what)| format!("snapshot {digest}, of no revision: {what}"));
    findings.problems.extend(unpublished);
    findings
}

#[cfg(test)]
mod tests {
    use roadstead_vault::{Problem, SnapshotId};

    use super::*;

    fn digest(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    fn snapshot(digit: char) -> SnapshotId {
        digest(digit).parse().expect("64 digits")
    }

    fn revision(number: u64, digit: char) -> RevisionRecord {
        RevisionRecord {
            number,
            parent: None,
            head: false,
            session: None,
            saved_at: jiff::Timestamp::UNIX_EPOCH,
            digest: digest(digit),
            size_bytes: 1,
            added_bytes: 1,
            files: 1,
            captured: roadstead_api::Captured::default(),
            browser_version: None,
            cause: crate::profile::RevisionCause::Ended,
            diverged_from: None,
            held_back: None,
            pinned: false,
        }
    }

    #[test]
    fn damage_is_told_of_the_revision_that_it_hurts() {
        let problem = |snapshot, what: &str| Problem { snapshot, what: what.to_owned() };
        let report = CheckReport {
            problems: vec![
                problem(None, "pack ff is missing; no snapshot needs it"),
                problem(Some(snapshot('b')), "/user-data/Default/Cookies: pack cc is missing"),
                problem(Some(snapshot('e')), "/: pack dd is missing"),
            ],
            sound: vec![snapshot('a'), snapshot('f')],
        };
        let revisions = [revision(3, 'c'), revision(2, 'b'), revision(1, 'a')];

        let found = findings(&revisions, Ok(report));

        let problems = [
            "pack ff is missing; no snapshot needs it".to_owned(),
            format!("revision 3: its snapshot {} is missing", digest('c')),
            "revision 2: /user-data/Default/Cookies: pack cc is missing".to_owned(),
            format!("snapshot {}, of no revision: /: pack dd is missing", digest('e')),
        ];
        assert_eq!(found.problems, problems);
        assert_eq!((found.revisions, found.sound), (3, vec!["1".to_owned()]));
    }

    #[test]
    fn a_repository_that_does_not_open_is_a_problem_and_not_the_end() {
        let found = findings(&[revision(1, 'a')], Err(VaultError::Aborted("why".to_owned())));
        assert_eq!(found.problems, ["no revision can be opened: failed to finish the work: why"]);
        assert_eq!((found.revisions, found.sound.len()), (1, 0));
    }
}
