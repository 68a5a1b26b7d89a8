// layer_names.h: which part of the core an error names as its layer.
#pragma once

namespace trellis {

inline constexpr const char* kComposeLayer = "compose";
inline constexpr const char* kFramerLayer = "framer";
inline constexpr const char* kLoaderLayer = "plugin-loader";
inline constexpr const char* kRegistryLayer = "registry";

}  // namespace trellis
