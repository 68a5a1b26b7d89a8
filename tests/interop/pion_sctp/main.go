// main.go: a peer on pion/sctp, whose packets go into UDP datagrams as they are (RFC 6951).
//
//	pion-sctp-peer serve ADDRESS          waits for one association, returns each message on the stream it came on
//	pion-sctp-peer ask OURS THEIRS        associates, sends messages on two streams, and tells what returns
//
// Both print a line for each thing that happens. End of standard input ends the association gracefully, the line
// "abort" at once. Both SCTP ports are 5000: the library knows no others.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/pion/logging"
	"github.com/pion/sctp"
)

const largest = 65536 // bytes of a message

// A pattern that shows what got lost, doubled or out of place; that of pattern.h.
func pattern(length int) []byte {
	all := make([]byte, length)
	for i := range all {
		all[i] = byte(i*7 + i/251)
	}
	return all
}

// The datagrams of one peer on a socket: the first to come is it.
type oneByOne struct {
	*net.UDPConn
	peer *net.UDPAddr
}

func (c *oneByOne) Read(into []byte) (int, error) {
	for {
		n, from, err := c.ReadFromUDP(into)
		if err != nil {
			return n, err
		}
		if c.peer == nil {
			c.peer = from
		}
		if from.String() == c.peer.String() {
			return n, nil
		}
	}
}

func (c *oneByOne) Write(bytes []byte) (int, error) { return c.WriteToUDP(bytes, c.peer) }

func fail(err error) {
	fmt.Println("failed:", err)
	os.Exit(1)
}

func address(text string) *net.UDPAddr {
	at, err := net.ResolveUDPAddr("udp", text)
	if err != nil {
		fail(err)
	}
	return at
}

func socket(at *net.UDPAddr) *net.UDPConn {
	made, err := net.ListenUDP("udp", at)
	if err != nil {
		fail(err)
	}
	return made
}

// Returns each message; a stream whose other end was reset is reset too.
func echo(stream *sctp.Stream) {
	id := stream.StreamIdentifier()
	buffer := make([]byte, largest)
	for {
		n, kind, err := stream.ReadSCTP(buffer)
		if errors.Is(err, io.EOF) {
			fmt.Println("stream", id, "ended")
			stream.Close()
			return
		} else if err != nil {
			fmt.Println("stream", id, "broke:", err)
			return
		}
		stream.SetReliabilityParams(id%2 == 1, sctp.ReliabilityTypeReliable, 0)
		if _, err := stream.WriteSCTP(buffer[:n], kind); err != nil {
			fmt.Println("stream", id, "takes nothing:", err)
			return
		}
	}
}

// Sends a message on a stream, and tells whether it returned whole.
func ask(association *sctp.Association, id uint16, size int) {
	stream, err := association.OpenStream(id, sctp.PayloadTypeWebRTCBinary)
	if err != nil {
		fail(err)
	}
	if _, err := stream.Write(pattern(size)); err != nil {
		fail(err)
	}
	buffer := make([]byte, largest)
	n, kind, err := stream.ReadSCTP(buffer)
	if err != nil {
		fail(err)
	}
	whole := string(buffer[:n]) == string(pattern(size))
	fmt.Printf("stream %d returned %d bytes kind %d whole %t\n", id, n, kind, whole)
}

func obey(association *sctp.Association) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "abort" {
			association.Abort("as told")
			fmt.Println("aborted")
			return
		}
	}
	patience, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	fmt.Println("shut down:", association.Shutdown(patience))
}

func main() {
	if len(os.Args) < 3 || (os.Args[1] == "ask") != (len(os.Args) == 4) {
		fmt.Fprintln(os.Stderr, "usage: pion-sctp-peer serve ADDRESS | ask OURS THEIRS")
		os.Exit(2)
	}
	connection := &oneByOne{UDPConn: socket(address(os.Args[2]))}
	config := sctp.Config{NetConn: connection, LoggerFactory: logging.NewDefaultLoggerFactory()}
	associate := sctp.Server
	if os.Args[1] == "ask" {
		connection.peer = address(os.Args[3])
		associate = sctp.Client
	}
	fmt.Println("ready")
	association, err := associate(config)
	if err != nil {
		fail(err)
	}
	fmt.Println("associated")
	if os.Args[1] == "ask" {
		ask(association, 0, 5) // the first Connection of the other end
		ask(association, 2, largest)
	} else {
		go func() {
			for {
				stream, err := association.AcceptStream()
				if err != nil {
					fmt.Println("no more streams:", err)
					os.Exit(0)
				}
				fmt.Println("stream", stream.StreamIdentifier(), "opened")
				go echo(stream)
			}
		}()
	}
	obey(association)
}
