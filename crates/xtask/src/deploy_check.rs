//! `cargo xtask deploy-check`: what other people's tools say of the manifests for Kubernetes and of Terraform's files.

use std::path::Path;
use std::process::Command;

use crate::cargo::exit_code_of;
use crate::install::from_pypi::{CHECKOV, KUBERNETES_VALIDATE};
use crate::install::{self, Need, is_on_path};
use crate::workspace::Workspace;
use testbed::error::{Result, TestbedError};
use testbed::folders::{delete_folder, make_folder, write_file};
use testbed::process::output_of;
use testbed::step::Steps;

/// What is put on a cluster.
const OVERLAYS: [&str; 5] = ["local", "blue", "green", "production", "aws"];

/// The oldest Kubernetes that the manifests are for, and one of the newest.
const VERSIONS: [&str; 2] = ["1.30", "1.37"];

/// Lets every tool speak, and gives 1 where one of them found something.
pub fn run(workspace: &Workspace) -> Result<u8> {
    let steps = Steps::begin("judging deploy/kubernetes and deploy/terraform");
    if !is_on_path("kubectl") {
        let reason = "kubectl, which puts the manifests together, is missing: https://kubernetes.io/docs/tasks/tools";
        return Err(TestbedError::new(reason));
    }
    let tools = workspace.run_folder().join("tools");
    make_folder(&tools)?;
    install::what_is_missing(&[Need::Python], &tools.join("install.log"), &steps)?;
    for tool in [KUBERNETES_VALIDATE, CHECKOV] {
        tool.if_missing(workspace, &steps)?;
    }
    let manifests = workspace.run_folder().join("deploy-check");
    delete_folder(&manifests)?;
    make_folder(&manifests)?;
    let terraform = workspace.root.join("deploy/terraform");
    let mut codes = Vec::new();
    for overlay in OVERLAYS {
        steps.say(&format!("kustomize and kubernetes-validate: {overlay}"));
        codes.push(judge_overlay(workspace, &manifests, overlay)?);
    }
    steps.say("checkov: Kubernetes");
    // One by one: in a folder whose name is hidden it looks at nothing, and finds nothing.
    let files = OVERLAYS.map(|overlay| manifests.join(format!("{overlay}.yaml")));
    codes.push(judge_policies(workspace, "kubernetes", files.iter().flat_map(|file| [Path::new("--file"), file]))?);
    steps.say("checkov: Terraform");
    codes.push(judge_policies(workspace, "terraform", [Path::new("--directory"), &terraform])?);
    if is_on_path("terraform") {
        steps.say("terraform fmt");
        let mut form = Command::new("terraform");
        codes.push(exit_code_of(form.args(["fmt", "-check", "-recursive", "-diff"]).arg(&terraform), "terraform")?);
    } else {
        steps.say("terraform is not installed: nobody looked at the form of its files");
    }
    let found = codes.iter().any(|code| *code != 0);
    steps.say(if found { "something was found" } else { "nothing was found" });
    Ok(u8::from(found))
}

/// Puts an overlay together, and holds it to the schemas of Kubernetes.
fn judge_overlay(workspace: &Workspace, folder: &Path, overlay: &str) -> Result<u8> {
    let source = workspace.root.join("deploy/kubernetes/overlays").join(overlay);
    let text = output_of(Command::new("kubectl").arg("kustomize").arg(source))?;
    let file = folder.join(format!("{overlay}.yaml"));
    write_file(&file, &text)?;
    let mut worst = 0;
    for version in VERSIONS {
        let mut validate = Command::new(KUBERNETES_VALIDATE.program(workspace));
        validate.args(["--strict", "--quiet", "--kubernetes-version", version]).arg(&file);
        worst = worst.max(exit_code_of(&mut validate, "kubernetes-validate")?);
    }
    Ok(worst)
}

/// Holds files to the policies of checkov. Those that do not fit are named in .checkov.yaml, or beside what they are about, with
/// the reason.
fn judge_policies<'a>(workspace: &Workspace, framework: &str, files: impl IntoIterator<Item = &'a Path>) -> Result<u8> {
    let mut checkov = Command::new(CHECKOV.program(workspace));
    checkov.arg("--config-file").arg(workspace.root.join(".checkov.yaml")).args(["--framework", framework]);
    exit_code_of(checkov.args(files), "checkov")
}
