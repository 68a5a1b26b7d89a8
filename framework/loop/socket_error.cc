// socket_error.cc: see socket_error.h.
#include "loop/socket_error.h"

#include <cerrno>
#include <cstring>

namespace trellis {

Reason reason_of(int error) noexcept {
  switch (error) {
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE: return Reason::reset;
    case ETIMEDOUT: return Reason::timed_out;
    case ECONNREFUSED:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case ENONET:
    // The interface or the address that the path was made of has gone.
    case ENODEV:
    case EADDRNOTAVAIL: return Reason::unreachable;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC: return Reason::exhausted;
    case EMSGSIZE: return Reason::too_large;
    case EACCES:
    case EPERM: return Reason::prohibited;
    case EPROTO: return Reason::protocol_violation;
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
    case EPROTOTYPE:
    case EAFNOSUPPORT:
    case ESOCKTNOSUPPORT:
    case ENOSYS: return Reason::unsupported;
    default: return Reason::invalid_argument;
  }
}

Error socket_error(int error, const std::string& doing) {
  const char* text = strerrordesc_np(error);  // strerror() is not safe with several loops
  return {reason_of(error), static_cast<std::uint64_t>(error), "socket",
          doing + ": " + (text != nullptr ? text : "unknown error")};
}

}  // namespace trellis
