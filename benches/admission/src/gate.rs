//! What stands between the webhook and its registry, and can be told to be slow, busy or rude.

use crate::system;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of what the registry says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weather {
    /// It goes through.
    Fair,
    /// So many bytes a second, on each connection.
    Slow(u64),
    /// Each request is answered with `429 Too Many Requests`.
    Busy,
    /// Each answer ends in a reset, halfway.
    Rude,
}

/// It stands until the program ends.
#[derive(Clone)]
pub struct Gate {
    pub address: SocketAddr,
    weather: Arc<Mutex<Weather>>,
}

impl Gate {
    pub fn start(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let weather = Arc::new(Mutex::new(Weather::Fair));
        let gate = Self { address, weather };
        let serving = gate.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let gate = serving.clone();
                std::thread::spawn(move || gate.pass(&client, behind));
            }
        });
        gate
    }

    pub fn set(&self, weather: Weather) {
        *self.weather.lock().expect("the weather") = weather;
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().expect("the weather")
    }

    /// One connection, both ways, until either side has had enough.
    fn pass(&self, client: &TcpStream, behind: SocketAddr) {
        // Nobody there: the client sees its connection end without a word.
        let Ok(server) = TcpStream::connect(behind) else { return system::reset(client) };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        std::thread::scope(|scope| {
            scope.spawn(|| self.requests(client, &server));
            self.answers(&server, client);
        });
    }

    fn requests(&self, mut client: &TcpStream, mut server: &TcpStream) {
        let mut piece = [0; 8 << 10];
        while let Ok(n @ 1..) = client.read(&mut piece) {
            if self.weather() == Weather::Busy {
                let busy = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _ = client.write_all(busy);
                break;
            }
            if server.write_all(&piece[..n]).is_err() {
                break;
            }
        }
        end(client, server);
    }

    fn answers(&self, mut server: &TcpStream, mut client: &TcpStream) {
        let mut piece = [0; 1 << 10];
        while let Ok(n @ 1..) = server.read(&mut piece) {
            match self.weather() {
                Weather::Fair | Weather::Busy => {}
                Weather::Slow(rate) => std::thread::sleep(Duration::from_millis(n as u64 * 1000 / rate)),
                Weather::Rude => {
                    let _ = client.write_all(&piece[..n / 2]);
                    system::reset(client);
                    break;
                }
            }
            if client.write_all(&piece[..n]).is_err() {
                break;
            }
        }
        end(client, server);
    }
}

fn end(one: &TcpStream, other: &TcpStream) {
    let _ = (one.shutdown(Shutdown::Both), other.shutdown(Shutdown::Both));
}
