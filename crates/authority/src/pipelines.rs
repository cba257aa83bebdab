//! What the tokens of CI systems say, as the names and extensions that Fulcio gives them (its oid-info): 9 to 22 are
//! the same question for every system, 2 to 6 are GitHub's older form.
//!
//! Each takes a function that reads a claim as text, and gives the subject and the extensions, or the name of the claim
//! that it cannot do without. A claim that is not there leaves its extension out.

use crate::x509::Claims;

type Found = Result<(String, Claims), &'static str>;

fn claims<const N: usize>(values: [(u8, Option<String>); N]) -> Claims {
    values.into_iter().filter_map(|(number, value)| Some((number, value?))).collect()
}

/// A workflow on GitHub.
pub(crate) fn github<'a>(of: impl Fn(&str) -> Option<&'a str>) -> Found {
    let at = |path: &str| format!("https://github.com/{path}");
    let text = |name: &str| of(name).map(str::to_owned);
    let signer = of("job_workflow_ref").map(at).ok_or("job_workflow_ref")?;
    let run = of("repository").zip(of("run_id")).zip(of("run_attempt"));
    let run = run.map(|((repository, id), n)| at(&format!("{repository}/actions/runs/{id}/attempts/{n}")));
    let found = claims([
        (2, text("event_name")),
        (3, text("sha")),
        (4, text("workflow")),
        (5, text("repository")),
        (6, text("ref")),
        (9, Some(signer.clone())),
        (10, text("job_workflow_sha")),
        (11, text("runner_environment")),
        (12, of("repository").map(at)),
        (13, text("sha")),
        (14, text("ref")),
        (15, text("repository_id")),
        (16, of("repository_owner").map(at)),
        (17, text("repository_owner_id")),
        (18, of("workflow_ref").map(at)),
        (19, text("workflow_sha")),
        (20, text("event_name")),
        (21, run),
        (22, text("repository_visibility")),
    ]);
    Ok((signer, found))
}

/// A pipeline on the GitLab that is the issuer.
pub(crate) fn gitlab<'a>(issuer: &str, of: impl Fn(&str) -> Option<&'a str>) -> Found {
    let at = |path: &str| format!("{}/{path}", issuer.trim_end_matches('/'));
    let text = |name: &str| of(name).map(str::to_owned);
    let signer = of("ci_config_ref_uri").map(|uri| format!("https://{uri}")).ok_or("ci_config_ref_uri")?;
    // GitLab says `main` where git says refs/heads/main.
    let reference = of("ref").zip(of("ref_type")).and_then(|(name, kind)| match kind {
        "branch" => Some(format!("refs/heads/{name}")),
        "tag" => Some(format!("refs/tags/{name}")),
        _ => None,
    });
    let job = of("project_path").zip(of("job_id")).map(|(path, id)| at(&format!("{path}/-/jobs/{id}")));
    let found = claims([
        (9, Some(signer.clone())),
        (10, text("ci_config_sha")),
        (11, text("runner_environment")),
        (12, of("project_path").map(at)),
        (13, text("sha")),
        (14, reference),
        (15, text("project_id")),
        (16, of("namespace_path").map(at)),
        (17, text("namespace_id")),
        (18, Some(signer.clone())),
        (19, text("ci_config_sha")),
        (20, text("pipeline_source")),
        (21, job),
        (22, text("project_visibility")),
    ]);
    Ok((signer, found))
}

/// A pipeline on Buildkite.
pub(crate) fn buildkite<'a>(of: impl Fn(&str) -> Option<&'a str>) -> Found {
    let text = |name: &str| of(name).map(str::to_owned);
    let organization = of("organization_slug").ok_or("organization_slug")?;
    let pipeline = of("pipeline_slug").ok_or("pipeline_slug")?;
    let signer = format!("https://buildkite.com/{organization}/{pipeline}");
    let job = of("build_number").zip(of("job_id")).map(|(n, id)| format!("{signer}/builds/{n}#{id}"));
    let found = claims([
        (11, text("runner_environment")),
        (13, text("build_commit")),
        (20, text("build_source")),
        (21, job),
    ]);
    Ok((signer, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(claims: &Claims, number: u8) -> Option<&str> {
        claims.iter().find(|(n, _)| *n == number).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_gitlab_pipeline_is_named_by_its_configuration() {
        let all = |name: &str| match name {
            "ci_config_ref_uri" => Some("gitlab.example.org/team/app//.gitlab-ci.yml@refs/heads/main"),
            "project_path" => Some("team/app"),
            "job_id" => Some("77"),
            "ref" => Some("1.0"),
            "ref_type" => Some("tag"),
            _ => None,
        };
        let (subject, claims) = gitlab("https://gitlab.example.org/", all).unwrap();
        assert_eq!(subject, "https://gitlab.example.org/team/app//.gitlab-ci.yml@refs/heads/main");
        assert_eq!(value(&claims, 9), Some(subject.as_str()));
        assert_eq!(value(&claims, 12), Some("https://gitlab.example.org/team/app"));
        assert_eq!(value(&claims, 14), Some("refs/tags/1.0"));
        assert_eq!(value(&claims, 21), Some("https://gitlab.example.org/team/app/-/jobs/77"));
        assert_eq!(value(&claims, 13), None);
        assert_eq!(gitlab("https://gitlab.example.org", |_| None), Err("ci_config_ref_uri"));
    }

    #[test]
    fn a_buildkite_pipeline_is_named_by_its_path() {
        let all = |name: &str| match name {
            "organization_slug" => Some("acme"),
            "pipeline_slug" => Some("ship"),
            "build_number" => Some("5"),
            "job_id" => Some("j"),
            _ => None,
        };
        let (subject, claims) = buildkite(all).unwrap();
        assert_eq!(subject, "https://buildkite.com/acme/ship");
        assert_eq!(value(&claims, 21), Some("https://buildkite.com/acme/ship/builds/5#j"));
        let without = |name: &str| (name != "pipeline_slug").then(|| all(name)).flatten();
        assert_eq!(buildkite(without), Err("pipeline_slug"));
    }
}
