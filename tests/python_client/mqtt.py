"""A small MQTT client, 5 or 3.1.1, over TLS with a certificate: QoS 1 out, QoS 0 and 1 in."""
import select
import socket
import ssl
import time

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = \
    1, 2, 3, 4, 8, 9, 12, 13, 14
KEEP_ALIVE_S = 60
RECEIVE_MAXIMUM = 0x21  # MQTT 5, section 2.2.2.2
USER = 0x26
PROPERTY_BYTES = {0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x18: 4, 0x19: 1, 0x21: 2, 0x22: 2,
                  0x23: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2a: 1}


class Refused(Exception):
    pass


def varint(value):
    out = bytearray()
    while True:
        value, digit = value >> 7, value & 0x7f
        out.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(out)


def read_varint(data, at):
    """(value, next position), or None when it is not all there."""
    value = 0
    for i in range(4):
        if at + i >= len(data):
            return None
        value |= (data[at + i] & 0x7f) << 7 * i
        if not data[at + i] & 0x80:
            return value, at + i + 1
    raise ValueError("a length of more than four bytes")


def text(value):
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


class Message(tuple):
    """(topic, payload), with the user properties that came along."""
    user = {}


def read_properties(data, at):
    """({id: bytes}, position behind them); user properties are a dictionary under USER."""
    size, at = read_varint(data, at)
    end, found = at + size, {USER: {}}
    while at < end:
        name, at = data[at], at + 1
        size, texts = PROPERTY_BYTES.get(name), []
        for _ in range(0 if size else 2 if name == USER else 1):  # the others are texts or bytes
            length = int.from_bytes(data[at:at + 2], "big")
            texts.append(data[at + 2:at + 2 + length])
            at += 2 + length
        if name == USER:
            found[USER][texts[0].decode()] = texts[1].decode()
        if size:
            found[name] = data[at:at + size]
            at += size
    return found, end


class Connection:
    """One connection. `pump` reads what has come; `messages` holds (topic, payload) until taken,
    `answers` the broker's reason code for each packet id it has answered."""

    def __init__(self, host, port, client_id, ca, certificate, key, version=5, tls_most=None):
        self.version, self.next_id = version, 1
        self.messages, self.answers, self.unanswered = [], {}, set()
        self.data, self.open = bytearray(), True
        self.receive_maximum = 65535
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the name or address
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls_most:
            context.maximum_version = tls_most
        context.load_verify_locations(ca)
        context.load_cert_chain(certificate, key)
        plain = socket.create_connection((host, port), timeout=10)
        try:
            self.socket = context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        try:
            self.connect(client_id)
        except BaseException:
            self.socket.close()
            raise

    def connect(self, client_id):
        """Clean start; MQTT 5 without a session expiry means that the session ends with us."""
        head = text("MQTT") + bytes([self.version, 0x02]) + KEEP_ALIVE_S.to_bytes(2, "big")
        self.accepted = None
        self.send(CONNECT, 0, head + self.no_properties() + text(client_id))
        self.wait(lambda: self.accepted is not None, 10)
        if self.accepted != 0:
            raise Refused(f"CONNACK {self.accepted:#x}")

    def no_properties(self):
        return b"\x00" if self.version == 5 else b""

    def send(self, kind, flags, rest):
        self.socket.sendall(bytes([kind << 4 | flags]) + varint(len(rest)) + rest)
        self.last_sent = time.monotonic()

    def packet_id(self):
        used, self.next_id = self.next_id, self.next_id % 65535 + 1
        return used

    def publish(self, topic, payload):
        """QoS 1; returns the packet id that `answers` will know."""
        used = self.packet_id()
        self.unanswered.add(used)
        self.send(PUBLISH, 0x02, text(topic) + used.to_bytes(2, "big") + self.no_properties()
                  + payload)
        return used

    def subscribe(self, filters):
        used = self.packet_id()
        self.send(SUBSCRIBE, 0x02, used.to_bytes(2, "big") + self.no_properties()
                  + b"".join(text(f) + b"\x01" for f in filters))
        self.wait(lambda: used in self.answers, 10)
        return list(self.answers[used])

    def wait(self, condition, seconds):
        end = time.monotonic() + seconds
        while not condition():
            if not self.open:
                raise ConnectionError("the broker ended the connection")
            if time.monotonic() > end:
                raise TimeoutError("the broker does not answer")
            self.pump(0.05)

    def pump(self, seconds):
        """Reads for at most so long and handles every whole packet."""
        if time.monotonic() - self.last_sent > KEEP_ALIVE_S / 2:
            self.send(PINGREQ, 0, b"")
        if not self.open or (not self.socket.pending()
                             and not select.select([self.socket], [], [], seconds)[0]):
            return
        self.socket.settimeout(0.2)  # a TLS record may come in pieces
        try:
            piece = self.socket.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            return
        except OSError:
            piece = b""
        finally:
            self.socket.settimeout(10)
        if not piece:
            self.open = False
            return
        self.data += piece
        self.take_packets()

    def take_packets(self):
        while len(self.data) >= 2:
            found = read_varint(self.data, 1)
            if not found or len(self.data) < sum(found):
                return
            size, at = found
            packet = bytes(self.data[at:at + size])
            kind, flags = self.data[0] >> 4, self.data[0] & 15
            del self.data[:at + size]
            self.handle(kind, flags, packet)

    def handle(self, kind, flags, packet):
        if kind == CONNACK:
            self.accepted = packet[1]
            if self.version == 5 and len(packet) > 2:
                limit = read_properties(packet, 2)[0].get(RECEIVE_MAXIMUM)
                self.receive_maximum = int.from_bytes(limit, "big") if limit else 65535
        elif kind == PUBLISH:
            self.handle_publish(flags >> 1 & 3, packet)
        elif kind == PUBACK:
            used = int.from_bytes(packet[:2], "big")
            self.unanswered.discard(used)
            self.answers[used] = packet[2] if len(packet) > 2 else 0
        elif kind == SUBACK:
            at = read_properties(packet, 2)[1] if self.version == 5 else 2
            self.answers[int.from_bytes(packet[:2], "big")] = packet[at:]
        elif kind == DISCONNECT:
            self.open = False

    def handle_publish(self, qos, packet):
        at = 2 + int.from_bytes(packet[:2], "big")
        topic = packet[2:at].decode()
        used = packet[at:at + 2]
        at += 2 if qos else 0
        found = {USER: {}}
        if self.version == 5:
            found, at = read_properties(packet, at)
        message = Message((topic, packet[at:]))
        message.user = found[USER]
        self.messages.append(message)
        if qos:
            self.send(PUBACK, 0, used)

    def has_room(self):
        return len(self.unanswered) < self.receive_maximum

    def close(self):
        if self.open:
            try:
                self.send(DISCONNECT, 0, b"")
            except OSError:
                pass
        self.open = False
        self.socket.close()
