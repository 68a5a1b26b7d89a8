#!/usr/bin/python3
"""A peer made of aioquic: an echo server, or a client that says what worked, one line for each."""
import argparse
import asyncio
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import HandshakeCompleted, StreamDataReceived

sys.stdout.reconfigure(line_buffering=True)


class Echo(QuicConnectionProtocol):
    def quic_event_received(self, event):
        if isinstance(event, HandshakeCompleted):
            print("handshake resumed=%s early=%s" % (event.session_resumed, event.early_data_accepted))
        if isinstance(event, StreamDataReceived):
            self._quic.send_stream_data(event.stream_id, event.data, event.end_stream)
            self.transmit()


async def run_server(args):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["test"])
    configuration.load_cert_chain(args.certificate, args.key)
    tickets = {}
    server = await serve("127.0.0.1", 0, configuration=configuration, create_protocol=Echo, retry=args.retry,
                         session_ticket_handler=lambda ticket: tickets.__setitem__(ticket.ticket, ticket),
                         session_ticket_fetcher=tickets.pop)
    print("listening port=%d" % server._transport.get_extra_info("sockname")[1])
    await asyncio.Future()


async def echoed(client, size):
    reader, writer = await client.create_stream()
    sent = bytes(i % 251 for i in range(size))
    writer.write(sent)
    writer.write_eof()
    return await reader.read() == sent


class Client(QuicConnectionProtocol):
    resumed = early = None

    def quic_event_received(self, event):
        if isinstance(event, HandshakeCompleted):
            self.resumed, self.early = event.session_resumed, event.early_data_accepted
        super().quic_event_received(event)


async def run_client(args):
    tickets = []

    def dial(**more):
        configuration = QuicConfiguration(alpn_protocols=["test"], server_name="peer.example", **more)
        configuration.load_verify_locations(args.ca)
        return connect("127.0.0.1", args.port, configuration=configuration, create_protocol=Client,
                       session_ticket_handler=tickets.append, wait_connected=not more)

    async with dial() as client:
        print("echo %s" % await echoed(client, 1000000))
        print("streams %s" % all(await asyncio.gather(*(echoed(client, 1000) for _ in range(50)))))
        client.request_key_update()
        print("key update %s" % await echoed(client, 1000))
        client.change_connection_id()
        print("new id %s" % await echoed(client, 1000))
        # Another port of ours, as after a NAT has forgotten us.
        client._transport.close()
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: client, local_addr=("::", 0))
        print("rebinding %s" % await echoed(client, 100000))
    if args.resume:
        async with dial(session_ticket=tickets[-1]) as client:
            print("early echo %s" % await echoed(client, 1000))
            print("resumed %s early %s" % (client.resumed, client.early))


parser = argparse.ArgumentParser()
modes = parser.add_subparsers(required=True)
server = modes.add_parser("server")
server.add_argument("--certificate")
server.add_argument("--key")
server.add_argument("--retry", action="store_true")
server.set_defaults(run=run_server)
client = modes.add_parser("client")
client.add_argument("--ca")
client.add_argument("--port", type=int)
client.add_argument("--resume", action="store_true")
client.set_defaults(run=run_client)
arguments = parser.parse_args()
asyncio.run(asyncio.wait_for(arguments.run(arguments), 60))
