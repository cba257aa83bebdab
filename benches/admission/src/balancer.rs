//! What kube-proxy does with a Service: each new connection goes to one of the endpoints that are known to be ready,
//! chosen by chance, once. Where nobody is there, the client is told so and no other endpoint is tried; a connection
//! that stands is not touched, whatever becomes of the list.

use crate::dice::Dice;
use crate::system;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// It stands until the program ends.
#[derive(Clone)]
pub struct Balancer {
    pub address: SocketAddr,
    ready: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Balancer {
    pub fn start(mut dice: Dice) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let balancer = Self { address: listener.local_addr().expect("its address"), ready: Arc::default() };
        let serving = balancer.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let chosen = {
                    let ready = serving.ready.lock().expect("the endpoints");
                    ready.get(dice.roll(ready.len().max(1) as u64) as usize).copied()
                };
                std::thread::spawn(move || match chosen.and_then(|to| TcpStream::connect(to).ok()) {
                    Some(server) => join(&client, &server),
                    None => system::reset(&client),
                });
            }
        });
        balancer
    }

    pub fn add(&self, endpoint: SocketAddr) {
        self.ready.lock().expect("the endpoints").push(endpoint);
    }

    pub fn remove(&self, endpoint: SocketAddr) {
        self.ready.lock().expect("the endpoints").retain(|e| *e != endpoint);
    }
}

/// Both ways, byte for byte, until either side ends; how it ended is passed on.
fn join(client: &TcpStream, server: &TcpStream) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    std::thread::scope(|scope| {
        scope.spawn(|| one_way(client, server));
        one_way(server, client);
    });
}

fn one_way(mut from: &TcpStream, mut to: &TcpStream) {
    let mut piece = [0; 16 << 10];
    loop {
        match from.read(&mut piece) {
            Ok(0) => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(n) if to.write_all(&piece[..n]).is_ok() => {}
            _ => {
                system::reset(to);
                let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
                return;
            }
        }
    }
}
