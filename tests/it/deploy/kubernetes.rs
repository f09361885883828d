//! The manifests: what the API server expects of them, what they forbid the pod, and that ports, paths, times and memory are those of the
//! settings beside them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hallpass::config::Settings;
use hallpass::link::Keyring;
use serde_json::{Value, json};

use super::{at, files, list, longest_end, run_well, settings, strings, tool, yaml};

/// The objects of the cluster, without the template of the secrets.
fn objects() -> Vec<Value> {
    let kustomization = &yaml(&at("deploy/kubernetes/kustomization.yaml"))[0];
    let named = strings(&kustomization["resources"]);
    let all: Vec<_> = named.iter().flat_map(|name| yaml(&at("deploy/kubernetes").join(name))).collect();
    assert!(all.len() > 8, "they were read: {}", all.len());
    all
}

fn one(objects: &[Value], kind: &str) -> Value {
    let found: Vec<_> = objects.iter().filter(|object| object["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "one {kind}");
    found[0].clone()
}

fn named<'a>(listed: &'a Value, name: &str) -> &'a Value {
    list(listed).iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("{name} in {listed}"))
}

fn pod(objects: &[Value]) -> Value {
    one(objects, "Deployment")["spec"]["template"].clone()
}

fn container(objects: &[Value]) -> Value {
    let pod = pod(objects);
    assert_eq!(list(&pod["spec"]["containers"]).len(), 1);
    assert!(pod["spec"].get("initContainers").is_none());
    pod["spec"]["containers"][0].clone()
}

fn cluster_settings(objects: &[Value]) -> Settings {
    settings(one(objects, "ConfigMap")["data"]["hallpass.toml"].as_str().unwrap())
}

#[test]
fn every_manifest_is_what_the_api_server_expects() {
    for file in files("deploy/kubernetes", ".yaml") {
        if !file.ends_with("kustomization.yaml") {
            let mut validate = tool("kubernetes-validate");
            run_well(validate.args(["--strict", "--no-warn", "-k", "1.37.0"]).arg(&file));
        }
    }
}

#[test]
fn the_kustomization_has_every_manifest_but_the_template_of_the_secrets() {
    let kustomization = &yaml(&at("deploy/kubernetes/kustomization.yaml"))[0];
    let named: BTreeSet<_> = strings(&kustomization["resources"]).into_iter().map(str::to_owned).collect();
    let file_name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut there: BTreeSet<_> = files("deploy/kubernetes", ".yaml").into_iter().map(file_name).collect();
    assert!(there.remove("kustomization.yaml") && there.remove("secret.example.yaml"));
    assert_eq!(named, there);
    let objects = objects();
    let namespace = one(&objects, "Namespace");
    assert_eq!(kustomization["namespace"], namespace["metadata"]["name"]);
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    assert_eq!(kustomization["images"][0]["name"], container(&objects)["image"]);
    assert!(objects.iter().all(|object| object["kind"] != "Secret"), "secrets come from elsewhere");
}

/// The profile "restricted" of the Pod Security Standards, and a read-only root.
#[test]
fn the_pod_has_no_rights() {
    let objects = objects();
    let pod = &pod(&objects)["spec"];
    for forbidden in ["hostNetwork", "hostPID", "hostIPC", "hostUsers"] {
        assert!(pod.get(forbidden).is_none(), "{forbidden}");
    }
    let security = &pod["securityContext"];
    assert_eq!(security["runAsNonRoot"], true);
    assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
    for id in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert_eq!(security[id], 65532, "{id} is the image's");
    }
    assert_eq!(security["fsGroupChangePolicy"], "OnRootMismatch", "modes in the volume are left as they are");
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(one(&objects, "ServiceAccount")["automountServiceAccountToken"], false);
    assert_eq!(pod["serviceAccountName"], one(&objects, "ServiceAccount")["metadata"]["name"]);

    let own = &container(&objects)["securityContext"];
    assert_eq!((&own["allowPrivilegeEscalation"], &own["privileged"]), (&json!(false), &json!(false)));
    assert_eq!(own["readOnlyRootFilesystem"], true);
    assert_eq!(own["capabilities"], json!({ "drop": ["ALL"] }));
    for volume in list(&pod["volumes"]) {
        let kinds: Vec<_> = volume.as_object().unwrap().keys().filter(|key| *key != "name").collect();
        assert!(["configMap", "secret", "persistentVolumeClaim", "emptyDir"].contains(&kinds[0].as_str()), "{volume}");
    }
    for variable in list(&container(&objects)["env"]) {
        assert!(!variable.to_string().to_lowercase().contains("secret"), "secrets are files: {variable}");
    }
}

#[test]
fn probes_ask_the_ops_listener_where_the_settings_have_it() {
    let objects = objects();
    let (settings, container) = (cluster_settings(&objects), container(&objects));
    for (name, at) in
        [("public", settings.listen.public), ("control", settings.listen.control), ("ops", settings.listen.ops)]
    {
        assert_eq!(named(&container["ports"], name)["containerPort"], at.port(), "{name}");
        assert!(at.ip().is_unspecified(), "{name} is reached at the pod's address");
    }
    for (probe, path) in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"], json!({ "path": path, "port": "ops" }), "{probe}");
        let patience = container[probe]["timeoutSeconds"].as_u64().unwrap();
        assert!(patience > 2, "readiness waits 2 s for the stores, so {probe} waits longer");
    }
    let annotations = &pod(&objects)["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/port"], settings.listen.ops.port().to_string());
}

#[test]
fn the_end_of_a_pod_leaves_time_for_the_drain() {
    let objects = objects();
    let (settings, pod) = (cluster_settings(&objects), pod(&objects));
    let limit = pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(limit > longest_end(&settings).as_secs(), "{limit} s against {:?}", longest_end(&settings));
    assert!(settings.limits.drain_grace.as_secs() >= 10, "the cluster's tables change while requests are still taken");
    assert!(container(&objects).get("lifecycle").is_none(), "a hook would take from the time of the drain");
}

#[test]
fn one_pod_at_a_time_has_the_catalog() {
    let objects = objects();
    let deployment = one(&objects, "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 1);
    assert_eq!(deployment["spec"]["strategy"], json!({ "type": "Recreate" }));
    let budget = one(&objects, "PodDisruptionBudget");
    assert_eq!(budget["spec"]["maxUnavailable"], 1, "or no node could ever be drained");
    let claim = one(&objects, "PersistentVolumeClaim");
    let state = named(&deployment["spec"]["template"]["spec"]["volumes"], "state").clone();
    assert_eq!(state["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"]);
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    for selector in [&deployment["spec"]["selector"], &budget["spec"]["selector"]] {
        assert_eq!(&selector["matchLabels"], labels);
    }
}

#[test]
fn the_memory_limit_holds_what_the_settings_allow() {
    let objects = objects();
    let (settings, container) = (cluster_settings(&objects), container(&objects));
    let limit = container["resources"]["limits"]["memory"].as_str().unwrap();
    let limit = limit.strip_suffix("Gi").unwrap().parse::<u64>().unwrap() << 30;
    let connections = settings.limits.connections.max_connections as u64;
    let planned = settings.cache.memory + settings.cache.in_flight + (64 << 20) + connections * (32 << 10);
    assert!(planned <= limit, "{planned} of {limit}");
    assert_eq!(container["resources"]["requests"]["memory"], container["resources"]["limits"]["memory"]);
}

#[test]
fn every_path_of_the_settings_is_mounted_from_the_secret_that_has_it() {
    let objects = objects();
    let (settings, container) = (cluster_settings(&objects), container(&objects));
    let mounts = list(&container["volumeMounts"]);
    let volumes = pod(&objects)["spec"]["volumes"].clone();
    assert!(mounts.iter().all(|mount| mount.get("subPath").is_none()), "those would never change");
    let secrets = yaml(&at("deploy/kubernetes/secret.example.yaml"));
    let tls = &settings.tls.as_ref().unwrap().certificates[0];
    let control = &settings.control_certificates[0];
    let from_environment = named(&container["env"], "AWS_SHARED_CREDENTIALS_FILE")["value"].as_str().unwrap();
    let files = [&settings.keyring_file, &tls.chain, &tls.key, &control.chain, &control.key].map(PathBuf::as_path);
    for file in files.into_iter().chain([Path::new(from_environment)]) {
        let (folder, name) = (file.parent().unwrap().to_str().unwrap(), file.file_name().unwrap().to_str().unwrap());
        let mount = mounts.iter().find(|mount| mount["mountPath"] == folder).unwrap_or_else(|| panic!("{folder}"));
        assert_eq!(mount["readOnly"], true, "{folder}");
        let secret = &named(&volumes, mount["name"].as_str().unwrap())["secret"];
        assert_eq!(secret["defaultMode"], 0o440, "{folder}: root's, and readable by fsGroup");
        let template = secrets.iter().find(|one| one["metadata"]["name"] == secret["secretName"]).unwrap();
        assert!(template["stringData"][name].is_string(), "{} has {name}", secret["secretName"]);
    }
    let state = mounts.iter().find(|mount| mount["name"] == "state").unwrap();
    let catalog = format!("sqlite://{}/hallpass.db", state["mountPath"].as_str().unwrap());
    assert_eq!(settings.catalog.url, catalog);
    let arguments = strings(&container["args"]);
    super::is_a_command(&arguments);
    assert_eq!(arguments[2], "/etc/hallpass/hallpass.toml");
    assert!(mounts.iter().any(|mount| mount["mountPath"] == "/etc/hallpass" && mount["name"] == "settings"));
}

#[test]
fn uploads_have_a_volume_of_their_own_that_holds_all_of_them() {
    let objects = objects();
    let (settings, container) = (cluster_settings(&objects), container(&objects));
    let mounts = list(&container["volumeMounts"]);
    let mount = |folder: &Path| {
        let found = mounts.iter().find(|mount| mount["mountPath"].as_str() == folder.to_str());
        found.unwrap_or_else(|| panic!("{} is mounted, for the root file system is read-only", folder.display()))
    };
    let catalog = Path::new(settings.catalog.url.strip_prefix("sqlite://").unwrap());
    let (spool, state) = (mount(&settings.publish.directory), mount(catalog.parent().unwrap()));
    assert_ne!(spool["name"], state["name"], "uploads cannot fill the disk that revocations are written to");
    assert!(spool.get("readOnly").is_none());
    let volume = named(&pod(&objects)["spec"]["volumes"], spool["name"].as_str().unwrap()).clone();
    let gibibytes = |size: &Value| size.as_str().unwrap().strip_suffix("Gi").unwrap().parse::<u64>().unwrap() << 30;
    let size = gibibytes(&volume["emptyDir"]["sizeLimit"]);
    let most = settings.publish.at_once as u64 * settings.mint.object_max;
    assert!(most < size, "{most} of {size}");
    assert!(gibibytes(&container["resources"]["requests"]["ephemeral-storage"]) >= size, "the node has it");
    assert!(volume["emptyDir"].get("medium").is_none(), "memory is for the cache");
}

#[test]
fn the_template_of_the_keyring_starts_no_gateway() {
    let secrets = yaml(&at("deploy/kubernetes/secret.example.yaml"));
    let values: Vec<_> = secrets.iter().flat_map(|one| one["stringData"].as_object().unwrap().values()).collect();
    assert!(values.len() >= 4 && values.iter().all(|value| *value == "REPLACE-ME"), "no secret is in a template");
    assert!(Keyring::parse("REPLACE-ME").is_err());
}

#[test]
fn the_world_reaches_the_public_port_and_nothing_else() {
    let objects = objects();
    let policy = one(&objects, "NetworkPolicy");
    let labels = &pod(&objects)["metadata"]["labels"];
    assert_eq!(&policy["spec"]["podSelector"]["matchLabels"], labels);
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    let mut open = BTreeSet::new();
    for rule in list(&policy["spec"]["ingress"]) {
        let ports: Vec<_> = list(&rule["ports"]).iter().map(|port| port["port"].as_str().unwrap()).collect();
        assert!(!ports.is_empty(), "a rule without ports opens all of them");
        match rule.get("from") {
            None => open.extend(ports.into_iter().map(str::to_owned)),
            Some(from) => {
                let narrow = |peer: &Value| {
                    let some =
                        |selector: &str| peer[selector]["matchLabels"].as_object().is_some_and(|all| !all.is_empty());
                    some("podSelector") || some("namespaceSelector")
                };
                assert!(!list(from).is_empty() && list(from).iter().all(narrow), "{from}");
            }
        }
    }
    assert_eq!(open, ["public".to_owned()].into());
    for rule in list(&policy["spec"]["egress"]) {
        assert!(!list(&rule["ports"]).is_empty() && !list(&rule["to"]).is_empty(), "{rule}");
        for block in list(&rule["to"]).iter().filter_map(|peer| peer.get("ipBlock")) {
            assert!(!list(&block["except"]).is_empty(), "the machine's credentials stay out of reach: {block}");
        }
    }

    for service in objects.iter().filter(|object| object["kind"] == "Service") {
        assert_eq!(&service["spec"]["selector"], labels);
        let goals: Vec<_> = list(&service["spec"]["ports"]).iter().map(|port| port["targetPort"].clone()).collect();
        match service["spec"]["type"].as_str().unwrap() {
            "LoadBalancer" => {
                assert_eq!(goals, [json!("public")]);
                assert_eq!(service["spec"]["externalTrafficPolicy"], "Local", "the client's address is kept");
            }
            kind => assert_eq!((kind, goals), ("ClusterIP", vec![json!("control")])),
        }
    }
}
