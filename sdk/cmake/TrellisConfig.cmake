# find_package(Trellis): the targets Trellis::api (plugins), Trellis::framework (applications), Trellis::conformance (the
# kit) and the function trellis_add_plugin.
set(Trellis_PLUGIN_DIR "${CMAKE_CURRENT_LIST_DIR}/plugins") # in the build tree
if(NOT EXISTS "${Trellis_PLUGIN_DIR}")
  cmake_path(SET Trellis_PLUGIN_DIR NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../../trellis/plugins")
endif()
include("${CMAKE_CURRENT_LIST_DIR}/TrellisDependencies.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/TrellisTargets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/TrellisPlugin.cmake")
