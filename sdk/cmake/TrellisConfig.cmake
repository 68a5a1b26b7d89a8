# find_package(Trellis): the targets Trellis::api (plugins), Trellis::framework (applications), Trellis::conformance (the
# kit) and the function trellis_add_plugin.
include("${CMAKE_CURRENT_LIST_DIR}/TrellisDependencies.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/TrellisTargets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/TrellisPlugin.cmake")
