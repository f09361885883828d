//! The compose file, as podman-compose understands it: what its services may do, who reaches them, and that its scripts do what they say
//! against a real S3 server.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hallpass::config::StorePlace;
use serde_json::Value;

use super::{at, list, run_well, settings, strings, text, tool, yaml};
use crate::kit::moto::{self, Bucket};

/// The file with its anchors resolved, read and checked by podman-compose, which wants to hear from a podman first.
fn project() -> Value {
    let dir = tempfile::tempdir().unwrap();
    let podman = dir.path().join("podman");
    std::fs::write(&podman, "#!/bin/sh\necho 'podman version 5.6.0'\n").unwrap();
    std::fs::set_permissions(&podman, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::join_paths(
        [dir.path().to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut compose = tool("podman-compose");
    compose.env("PATH", path.unwrap()).arg("-f").arg(at("deploy/compose.yaml")).args(["--profile", "setup", "config"]);
    let read = dir.path().join("read.yaml");
    std::fs::write(&read, run_well(&mut compose)).unwrap();
    yaml(&read).remove(0)
}

fn services(project: &Value) -> BTreeMap<&str, &Value> {
    let found: BTreeMap<_, _> =
        project["services"].as_object().unwrap().iter().map(|(name, service)| (name.as_str(), service)).collect();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), ["bucket", "hallpass", "keys", "s3"]);
    found
}

#[test]
fn no_service_may_do_more_than_it_needs() {
    let project = project();
    for (name, service) in services(&project) {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        for forbidden in ["privileged", "cap_add", "pid", "ipc", "devices", "userns_mode"] {
            assert!(service.get(forbidden).is_none(), "{name} has {forbidden}");
        }
        assert_ne!(service["network_mode"], "host", "{name}");
        assert!(name == "s3" || service["user"] == "65532:65532", "{name} is not root");
        let image = service["image"].as_str().unwrap();
        assert!(image == "hallpass" || image.contains(':') && !image.ends_with(":latest"), "{image} is pinned");
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            let word = variable.to_lowercase();
            assert!(!word.contains("secret") && !word.contains("password"), "{name}: secrets are files");
            assert!(!value.to_string().contains("AKIA"), "{name}: {variable}");
        }
        for volume in strings(&service["volumes"]) {
            assert!(!volume.contains("docker.sock") && !volume.starts_with("/:"), "{name}: {volume}");
        }
    }
}

#[test]
fn only_links_are_published_and_only_on_loopback() {
    let project = project();
    let services = services(&project);
    assert_eq!(strings(&services["hallpass"]["ports"]), ["127.0.0.1:8080:8080"]);
    for name in ["s3", "bucket", "keys"] {
        assert!(list(&services[name]["ports"]).is_empty(), "{name}");
    }
    assert_eq!(strings(&services["s3"]["networks"]), ["inside"]);
    assert_eq!(project["networks"]["inside"]["internal"], true, "no way in or out but through Hallpass");
    assert_eq!(services["keys"]["network_mode"], "none");
}

#[test]
fn whoever_runs_says_how_it_is_and_whoever_waits_waits_for_that() {
    let project = project();
    let services = services(&project);
    for name in ["hallpass", "s3"] {
        assert!(services[name]["healthcheck"]["test"].is_array(), "{name}");
    }
    let asked = strings(&services["hallpass"]["healthcheck"]["test"]);
    assert_eq!(asked[..2], ["CMD", "hallpass"]);
    super::is_a_command(&asked[2..]);
    let ops = settings(&text("deploy/settings/compose.toml")).listen.ops.to_string();
    assert_eq!(asked[asked.len() - 2..], ["--ops", &ops], "no change of the settings makes it ask elsewhere");
    super::is_a_command(&strings(&services["keys"]["command"]));
    assert_eq!(services["bucket"]["depends_on"]["s3"]["condition"], "service_healthy");
    assert_eq!(services["hallpass"]["depends_on"]["bucket"]["condition"], "service_completed_successfully");
    let grace: u64 =
        services["hallpass"]["stop_grace_period"].as_str().unwrap().strip_suffix('s').unwrap().parse().unwrap();
    assert!(grace > super::longest_end(&settings(&text("deploy/settings/compose.toml"))).as_secs());
}

#[test]
fn the_settings_are_those_of_the_services() {
    let project = project();
    let services = services(&project);
    let settings = settings(&text("deploy/settings/compose.toml"));
    assert_eq!(settings.listen.public.port(), 8080);
    assert!(settings.listen.control.ip().is_loopback() && settings.listen.ops.ip().is_loopback());
    let StorePlace::S3(place) = &settings.stores[&"media".parse().unwrap()].place else { panic!("an S3 store") };
    assert_eq!(place.endpoint.as_deref(), services["bucket"]["environment"]["AWS_ENDPOINT_URL"].as_str());
    assert!(place.path_style && place.bucket == "media");
    assert!(script(services["s3"]).contains("--port :7070 "), "where the endpoint says");
    let generated = strings(&services["keys"]["command"]);
    assert_eq!(generated.last(), settings.keyring_file.to_str().as_ref());
    assert_eq!(project["configs"]["settings"]["file"], "settings/compose.toml");
    assert_eq!(services["hallpass"]["configs"][0]["target"], "/etc/hallpass/hallpass.toml");
    let limit: u64 = services["hallpass"]["mem_limit"].as_str().unwrap().strip_suffix('m').unwrap().parse().unwrap();
    let spool = spool(services["hallpass"]).1;
    assert!((settings.cache.memory + settings.cache.in_flight + spool + (64 << 20)) >> 20 < limit);
}

/// Where the service's own memory is mounted, and how many bytes it takes.
fn spool(service: &Value) -> (&str, u64) {
    let [mount] = strings(&service["tmpfs"])[..] else { panic!("one: {service}") };
    let (folder, options) = mount.split_once(':').unwrap();
    assert!(options.contains("uid=65532,gid=65532") && options.contains("mode=0700"), "its user's alone: {options}");
    let size = options.split(',').find_map(|option| option.strip_prefix("size=")).unwrap();
    (folder, size.strip_suffix('m').unwrap().parse::<u64>().unwrap() << 20)
}

#[test]
fn uploads_wait_apart_from_the_catalog_in_a_place_that_holds_all_of_them() {
    let project = project();
    let hallpass = services(&project)["hallpass"];
    let settings = settings(&text("deploy/settings/compose.toml"));
    let (folder, size) = spool(hallpass);
    assert_eq!(settings.publish.directory, Path::new(folder));
    let catalog = Path::new(settings.catalog.url.strip_prefix("sqlite://").unwrap()).parent().unwrap();
    let volumes = strings(&hallpass["volumes"]);
    assert!(volumes.contains(&format!("state:{}", catalog.display()).as_str()), "{volumes:?}");
    assert!(!catalog.starts_with(folder) && !Path::new(folder).starts_with(catalog), "a mount for each");
    let most = settings.publish.at_once as u64 * settings.mint.object_max;
    assert!(most < size, "{most} of {size}");
}

fn script(service: &Value) -> String {
    assert_eq!(strings(&service["entrypoint"]), ["/bin/sh", "-euc"]);
    strings(&service["command"])[0].to_owned()
}

/// Runs a service's script here, with its secret and its files where a test has them.
fn run_script(script: &str, secret: &Path) -> Command {
    let here = script
        .replace("/run/secrets/s3", secret.to_str().unwrap())
        .replace("/samples", at("src/cli/demo_media").to_str().unwrap())
        .replace("/app/versitygw", "env #");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-euc", &here]).env("AWS_SHARED_CREDENTIALS_FILE", secret);
    shell
}

#[tokio::test]
async fn the_scripts_read_the_secret_and_fill_a_bucket_twice_without_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("s3");
    let key = moto::credentials();
    let (id, word) = (key.access_key_id(), key.secret_access_key());
    // As the head of the file says to make it.
    std::fs::write(&secret, format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {word}\n")).unwrap();
    let project = project();
    let services = services(&project);

    let told = run_well(&mut run_script(&script(services["s3"]), &secret));
    for line in [format!("ROOT_ACCESS_KEY_ID={id}"), format!("ROOT_SECRET_ACCESS_KEY={word}")] {
        assert!(told.lines().any(|said| said == line), "{line} in {told}");
    }

    // The bucket is called like those of other tests' own are not.
    let fill = script(services["bucket"])
        .replace("--bucket media", "--bucket compose")
        .replace("s3://media/", "s3://compose/");
    let programs = tool("aws").get_program().to_owned();
    let path = std::env::join_paths(
        Path::new(&programs)
            .parent()
            .map(Path::to_owned)
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let endpoint = moto::endpoint();
    for _ in 0..2 {
        let (fill, secret, path, home) = (fill.clone(), secret.clone(), path.clone(), dir.path().to_owned());
        let done = tokio::task::spawn_blocking(move || {
            let mut shell = run_script(&fill, &secret);
            shell.env("AWS_ENDPOINT_URL", endpoint).env("AWS_DEFAULT_REGION", "us-east-1").env("HOME", home);
            run_well(shell.env("PATH", path))
        });
        done.await.unwrap();
    }
    let client = Bucket::create().await.client;
    let listed = client.list_objects_v2().bucket("compose").send().await.unwrap();
    let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["price-list.pdf", "receipt.png", "tour.mp4", "winter-sale.jpg"]);
}
