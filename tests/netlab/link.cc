#include "link.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <format>

namespace trellis::netlab {

// The seeds of a link's directions.
namespace {
std::uint64_t seed(unsigned number, Way way) { return number * 2 + (way == Way::back ? 1 : 0); }
}  // namespace

Link::Link(const Host& first, const Host& second, unsigned number, const LinkOptions& options, Forwarder& forwarder)
    : number_(number),
      interface_(std::format("net{}", number)),
      first_{first, open_tun(first), options.mtu},
      second_{second, open_tun(second), options.mtu},
      forwarder_(forwarder),
      forth_(forwarder.add(first_.tun.get(), second_.tun.get(), options.forth, seed(number, Way::forth))),
      back_(forwarder.add(second_.tun.get(), first_.tun.get(), options.back, seed(number, Way::back))) {
  for (const End end : {End::first, End::second}) {
    keep(end, std::format("addr replace {}/24 dev {}\naddr replace {}/64 dev {} nodad\n", address(end, Family::ipv4),
                          interface_, address(end, Family::ipv6), interface_));
    if (options.up) bring_up(end);
  }
}

Descriptor Link::open_tun(const Host& host) const {
  const Inside inside(host);
  Descriptor tun(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), "/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  interface_.copy(request.ifr_name, IFNAMSIZ - 1);
  if (ioctl(tun.get(), TUNSETIFF, &request) != 0) refuse("cannot make the interface " + interface_);
  return tun;
}

std::string Link::address(End end, Family family) const {
  const int last = end == End::first ? 1 : 2;
  if (family == Family::ipv4) return std::format("10.77.{}.{}", number_, last);
  return std::format("2001:db8:77:{:x}::{}", number_, last);
}

Shape Link::shape(Way way) const { return forwarder_.shape(channel(way)); }
Counters Link::counters(Way way) const { return forwarder_.counters(channel(way)); }
void Link::set(Way way, const Shape& shape) { forwarder_.set(channel(way), shape); }

void Link::set(const Shape& both) {
  set(Way::forth, both);
  set(Way::back, both);
}

void Link::black_hole(bool on) {
  for (const Way way : {Way::forth, Way::back}) {
    Shape changed = shape(way);
    changed.black_hole = on;
    set(way, changed);
  }
}

void Link::unplug(bool out) {
  for (const Way way : {Way::forth, Way::back}) forwarder_.cut(channel(way), out);
  for (const Side* side : {&first_, &second_}) {
    int carrier = out ? 0 : 1;
    if (ioctl(side->tun.get(), TUNSETCARRIER, &carrier) != 0) refuse("cannot set the carrier of " + interface_);
  }
}

void Link::take_down(End end) {
  side(end).host.ip("link set " + interface_ + " down");
  side(end).up = false;
}

void Link::bring_up(End end) {
  Side& here = side(end);
  here.host.ip(std::format("link set {} mtu {} addrgenmode none up\n{}", interface_, here.mtu, here.lines));
  here.up = true;
}

void Link::set_mtu(End end, unsigned mtu) {
  side(end).mtu = mtu;
  side(end).host.ip(std::format("link set {} mtu {}", interface_, mtu));
}

void Link::keep(End end, std::string_view lines) {
  if (side(end).up) side(end).host.ip(lines);
  side(end).lines += lines;
}

}  // namespace trellis::netlab
