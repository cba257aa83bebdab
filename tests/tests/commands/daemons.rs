//! Images that a daemon keeps: a small server gives back on a socket what dockerd and Podman said
//! (testdata/interop/daemons), or something worse.

use super::world::{World, root};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::Mutex;

/// How the daemon behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Good,
    /// The connection ends in the middle of the tar.
    Cut,
    /// It cannot do it.
    Broken,
    /// It gives the image an identity that leads elsewhere.
    Lying,
}

/// What an engine said about the image of testdata.
struct Recorded {
    engine: &'static str,
    /// Where the image was asked for.
    name: &'static str,
    id: String,
}

impl Recorded {
    fn of(engine: &'static str) -> Self {
        let mut recorded = Self { engine, name: "team/app:1.0", id: String::new() };
        if engine == "podman" {
            recorded.name = "localhost/team/app:1.0";
        }
        let said: serde_json::Value = serde_json::from_slice(&recorded.bytes("json")).unwrap();
        recorded.id = said["Id"].as_str().unwrap().to_owned();
        recorded
    }

    fn bytes(&self, kind: &str) -> Vec<u8> {
        std::fs::read(root().join(format!("testdata/interop/daemons/{}.{kind}", self.engine))).unwrap()
    }

    /// The two questions that an export takes.
    fn questions(&self) -> Vec<String> {
        vec![format!("/images/{}/json", self.name), format!("/images/{}/get", self.id)]
    }
}

/// A world in which an engine answers on a socket, and what it was asked.
fn world(engine: &'static str, mood: Mood) -> (World, Arc<Mutex<Vec<String>>>) {
    let mut world = World::new();
    let path = world.path("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    // It ends with the test binary, which nobody waits for.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            answer(stream, &Recorded::of(engine), mood, &heard);
        }
    });
    let variable = if engine == "podman" { "CONTAINER_HOST" } else { "DOCKER_HOST" };
    world.env(variable, &format!("unix://{}", path.display())).env("SOURCE_DATE_EPOCH", "1700000000");
    (world, asked)
}

fn answer(mut stream: UnixStream, said: &Recorded, mood: Mood, heard: &Mutex<Vec<String>>) {
    loop {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        heard.lock().unwrap().push(path.clone());
        let json = |status: &str, body: &str| {
            format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let text = |kind: &str| String::from_utf8(said.bytes(kind)).unwrap();
        let questions = said.questions();
        let answer = match path {
            path if path == questions[0] && mood == Mood::Lying => json("200 OK", r#"{"Id":"../../etc"}"#),
            path if path == questions[0] => json("200 OK", &text("json")),
            path if path == questions[1] => match mood {
                Mood::Broken => json("500 Internal Server Error", r#"{"message":"layer store is gone"}"#),
                _ => {
                    let tar = said.bytes("tar");
                    let part = if mood == Mood::Cut { &tar[..tar.len() / 2] } else { &tar[..] };
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n";
                    stream.write_all(head.as_bytes()).unwrap();
                    for piece in part.chunks(1000) {
                        stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).unwrap();
                        stream.write_all(piece).unwrap();
                        stream.write_all(b"\r\n").unwrap();
                    }
                    if mood == Mood::Cut {
                        return;
                    }
                    "0\r\n\r\n".to_owned()
                }
            },
            _ => json("404 Not Found", &text("missing.json")),
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn an_image_of_a_daemon_is_exported_by_its_identity() {
    for (engine, name) in [("docker", "docker.io/team/app"), ("podman", "localhost/team/app")] {
        let (world, asked) = world(engine, Mood::Good);
        let recorded = Recorded::of(engine);
        let found = world.run(&format!("sbom {engine}:{} -o json", recorded.name)).expect(0).json();
        let packages: Vec<&str> =
            found["packages"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
        assert_eq!(packages, ["hello", "left-pad"], "{engine}");
        assert_eq!(found["subject"]["name"], name);
        assert_eq!(found["subject"]["tag"], "1.0");
        assert_eq!(found["subject"]["platform"], "linux/amd64");
        assert_eq!(found["gaps"].as_array().map_or(0, Vec::len), 0, "{engine}");
        assert_eq!(*asked.lock().unwrap(), recorded.questions());
    }
}

#[test]
fn what_the_daemon_does_not_give_is_no_empty_image() {
    let (world, asked) = world("docker", Mood::Good);
    world.run("sbom docker:missing").expect(4).says("docker has no such image");
    world.run("sbom docker:app/../../x").expect(2).says("characters in it that no image's name has");
    assert_eq!(*asked.lock().unwrap(), ["/images/missing/json"]);
    world.run("--offline sbom docker-daemon:team/app:1.0").says("--offline opens no socket").expect(2);
    assert_eq!(asked.lock().unwrap().len(), 1);
    let (cut, _) = self::world("docker", Mood::Cut);
    cut.run("sbom docker-daemon:team/app:1.0").expect(3);
    let (broken, _) = self::world("docker", Mood::Broken);
    broken.run("sbom docker:team/app:1.0").expect(3).says("layer store is gone");
    let (lying, asked) = self::world("docker", Mood::Lying);
    lying.run("sbom docker:team/app:1.0").expect(4).says("an identity that is none");
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn where_there_is_no_daemon_the_hint_says_what_to_do() {
    let mut world = World::new();
    world.env("CONTAINER_HOST", "ssh://host/run/podman.sock");
    world.run("sbom podman:app").says("only unix:// and tcp:// are spoken here").expect(4);
    world.env("CONTAINER_HOST", "unix:///nowhere/podman.sock");
    world.run("sbom podman:app").expect(3);
}
