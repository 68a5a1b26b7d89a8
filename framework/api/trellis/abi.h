// abi.h: what makes two binaries able to talk. Nothing else decides whether a plugin may load.
#pragma once
#include <cstdint>

namespace trellis {

/// The contract's number, compared by the loader before any code of a plugin runs. Raised when the layout or meaning
/// of anything in framework/api changes. Growth does not raise it: a released interface is frozen, new abilities are
/// new interfaces found through `extension()`.
inline constexpr std::uint32_t kAbi = 6;

/// The facts of the toolchain that change the layout of the std types used on the control plane, compared like kAbi.
/// Deliberately without compiler version and build type, so that plugins outlive compiler upgrades.
#if defined(_LIBCPP_VERSION)
inline constexpr char kToolchain[] = "itanium/libc++";
#elif defined(_GLIBCXX_USE_CXX11_ABI) && _GLIBCXX_USE_CXX11_ABI
inline constexpr char kToolchain[] = "itanium/libstdc++/cxx11";
#else
inline constexpr char kToolchain[] = "itanium/libstdc++/old";
#endif

}  // namespace trellis

/// Makes a symbol visible outside its shared object; plugins are built with hidden visibility.
#define TRELLIS_EXPORT [[gnu::visibility("default")]]
