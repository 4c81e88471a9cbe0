"""The other ends for system tests: an SMTP sink and a client that keeps
count. Loopback only."""

import hashlib
import smtplib
import socketserver
import threading


class Sink(socketserver.ThreadingTCPServer):
    """Takes every message; `messages` maps recipient to the texts."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), SinkSession)
        self.port = self.server_address[1]
        self.lock = threading.Lock()
        self.messages = []
        self.reply_to_rcpt = lambda sink, sender, recipient: "250 2.1.5 Ok"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def texts(self):
        with self.lock:
            return [text for _, _, text in self.messages]


class SinkSession(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        try:
            self.converse()
        except OSError:
            pass

    def converse(self):
        self.say("220 sink.test ESMTP")
        sender, recipients = None, []
        while line := self.rfile.readline():
            words = line.decode("latin-1").strip()
            verb = words.upper()
            if verb.startswith("EHLO"):
                self.say("250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME")
            elif verb.startswith("MAIL"):
                sender = words[10:]
                self.say("250 2.1.0 Ok")
            elif verb.startswith("RCPT"):
                recipient = words[8:].split(">")[0].strip("<>")
                reply = self.server.reply_to_rcpt(self.server, sender, recipient)
                if reply.startswith("2"):
                    recipients.append(recipient)
                self.say(reply)
            elif verb == "DATA" and not recipients:
                self.say("554 5.5.1 no valid recipients")
            elif verb == "RSET":
                recipients = []
                self.say("250 2.0.0 Ok")
            elif verb == "DATA":
                self.say("354 go on")
                text = b""
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    text += line[1:] if line.startswith(b".") else line
                if not line:
                    return
                with self.server.lock:
                    self.server.messages.append(
                        (sender, recipients, text.decode("latin-1")))
                recipients = []
                self.say("250 2.0.0 Ok: taken")
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            else:
                self.say("250 2.0.0 Ok")


def body_for(token):
    """A body that shows damage: lines derived from the token."""
    lines = [hashlib.sha256(f"{token}-{i}".encode()).hexdigest()
             for i in range(40)]
    return f"token {token}\n" + "\n".join(lines) + "\nend " + token


class Sender(threading.Thread):
    """Sends messages until told to stop. `accepted`: tokens that got 250."""

    def __init__(self, port, name, recipients):
        super().__init__(daemon=True)
        self.port, self.label, self.recipients = port, name, recipients
        self.accepted, self.refused = {}, 0
        self.stopping = threading.Event()

    def run(self):
        count = 0
        while not self.stopping.is_set():
            count += 1
            token = f"{self.label}x{count}x"
            recipient = self.recipients[count % len(self.recipients)]
            if self.send(token, recipient):
                self.accepted[token] = recipient
            else:
                self.refused += 1
                self.stopping.wait(0.05)

    def send(self, token, recipient):
        """True when the dot was answered with 250."""
        smtp = None
        try:
            smtp = smtplib.SMTP("127.0.0.1", self.port, timeout=20)
            smtp.sendmail("sender@client.test", [recipient],
                          f"Subject: {token}\n\n{body_for(token)}\n")
        except (smtplib.SMTPException, OSError):
            return False
        finally:
            if smtp is not None:
                smtp.close()
        return True
