//! The resolver against a name server on the loopback interface.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::thread;

use super::*;

/// Answers any number of questions on one port, over UDP and TCP, as `behaviour` says for each name.
fn serve() -> u16 {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = udp.local_addr().expect("an address").port();
        if let Ok(tcp) = TcpListener::bind(("127.0.0.1", port)) {
            break (udp, tcp);
        }
    };
    let port = udp.local_addr().expect("an address").port();
    thread::spawn(move || {
        let mut packet = [0; 512];
        while let Ok((length, from)) = udp.recv_from(&mut packet) {
            for message in answers(&packet[..length], false) {
                let _ = udp.send_to(&message, from);
            }
        }
    });
    thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            let mut length = [0; 2];
            stream.read_exact(&mut length).expect("a length");
            let mut question = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut question).expect("a question");
            for message in answers(&question, true) {
                let length = u16::try_from(message.len()).expect("a short message").to_be_bytes();
                stream.write_all(&[&length, message.as_slice()].concat()).expect("an answer");
            }
        }
    });
    port
}

fn answers(question: &[u8], is_tcp: bool) -> Vec<Vec<u8>> {
    let name: String =
        question[13..question.len() - 5].iter().map(|&byte| if byte < 32 { '.' } else { byte.into() }).collect();
    let is_v6 = question[question.len() - 3] == 28;
    let message = |flags: u8, code: u8, addresses: &[&[u8]]| {
        let mut message = question.to_vec();
        (message[2], message[3]) = (0x80 | flags, 0x80 | code);
        message[7] = u8::try_from(addresses.len()).expect("few");
        for address in addresses {
            let kind = if address.len() == 4 { 1 } else { 28 };
            message.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 9, 0, u8::try_from(address.len()).expect("short")]);
            message.extend(*address);
        }
        message
    };
    let (v4, v6): (&[u8], [u8; 16]) = (&[10, 0, 0, 7], Ipv6Addr::LOCALHOST.octets());
    let asked: &[u8] = if is_v6 { &v6 } else { v4 };
    let both = || message(0, 0, &[asked]);
    let only = |is_this_kind: bool| if is_this_kind { message(0, 0, &[asked]) } else { message(0, 0, &[]) };
    match name.as_str() {
        "both.example" => vec![both()],
        "four.example" | "inside.corp" => vec![only(!is_v6)],
        "six.example" => vec![only(is_v6)],
        "forged.example" => {
            let mut forged = both();
            forged[0] ^= 1;
            vec![b"rubbish".to_vec(), forged, both()]
        }
        "long.example" if is_tcp => vec![both()],
        "long.example" => vec![message(2, 0, &[])],
        "half.example" if !is_v6 => vec![both()],
        "broken.example" => vec![message(0, 2, &[])],
        "silent.example" | "half.example" => vec![],
        _ => vec![message(0, 3, &[])],
    }
}

/// A resolver with files of its own.
fn resolver(hosts: &str, configuration: &str, port: u16) -> (tempfile::TempDir, HostResolver) {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = ["hosts", "resolv.conf"].map(|name| directory.path().join(name));
    std::fs::write(&paths[0], hosts).expect("a hosts file");
    std::fs::write(&paths[1], configuration).expect("a configuration");
    let [hosts, configuration] = paths;
    (directory, HostResolver { hosts, configuration, port })
}

#[test]
fn names_are_found_as_the_files_and_servers_say() {
    let configuration = "nameserver 127.0.0.1\nsearch corp\noptions timeout:1 attempts:1\n";
    let (_directory, resolver) = resolver("10.9.9.9 Pinned.example\n", configuration, serve());
    let no_host = |host: &str| Err(format!("there is no host `{host}`; name servers asked: 127.0.0.1"));
    let silent = "the address of `silent.example` cannot be found: name server 127.0.0.1 does not answer: timed out";
    for (host, expected) in [
        ("pinned.EXAMPLE", Ok("10.9.9.9")),
        ("127.0.0.2", Ok("127.0.0.2")),
        ("[::1]", Ok("::1")),
        ("localhost", Ok("127.0.0.1 ::1")),
        ("a.localhost", Ok("127.0.0.1 ::1")),
        ("both.example", Ok("10.0.0.7 ::1")),
        ("BOTH.example.", Err("there is no host `BOTH.example.`; name servers asked: 127.0.0.1".to_owned())),
        ("four.example", Ok("10.0.0.7")),
        ("six.example", Ok("::1")),
        ("forged.example", Ok("10.0.0.7 ::1")),
        ("long.example", Ok("10.0.0.7 ::1")),
        ("half.example", Ok("10.0.0.7")),
        ("inside", Ok("10.0.0.7")),
        ("nowhere.example", no_host("nowhere.example")),
        ("silent.example", Err(silent.to_owned())),
        (
            "broken.example",
            Err("the address of `broken.example` cannot be found: name server 127.0.0.1 refuses (code 2)".to_owned()),
        ),
    ] {
        let found = resolver.addresses(host).map_err(|error| error.to_string());
        let found = found.map(|all| all.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" "));
        assert_eq!(found, expected.map(str::to_owned), "{host}");
    }
}

#[test]
fn downloads_find_their_host() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        }
    });
    let hosts = "127.0.0.1 mirror.example\n";
    let (_directory, resolver) = resolver(hosts, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", serve());
    let http = crate::Http::made_of(&crate::Trust::default(), resolver, crate::Patience::default());
    assert_eq!(http.get(&format!("http://mirror.example:{port}/x"), 99).expect("a body"), b"hello");
    let error = http.get("http://nowhere.example/x", 99).expect_err("no host").to_string();
    let expected =
        "http://nowhere.example/x cannot be read: there is no host `nowhere.example`; name servers asked: 127.0.0.1";
    assert_eq!(error, expected);
}

#[test]
fn second_server_is_asked_where_the_first_is_not_there() {
    let configuration = "nameserver 127.0.0.9\nnameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
    let (_directory, there) = resolver("", configuration, serve());
    assert_eq!(there.addresses("four.example"), Ok(vec![[10, 0, 0, 7].into()]));
    let (_directory, nobody) = resolver("", "nameserver 127.0.0.9\noptions attempts:1\n", 1);
    let error = nobody.addresses("four.example").expect_err("nobody answers").to_string();
    assert!(error.contains("name server 127.0.0.9 does not answer: Connection refused"), "{error}");
}
