set(TRELLIS_CONFORMANCE_SEEDS 200 CACHE STRING "How many seeds the conformance test of a plugin runs")

# Whether a library is a static one of this build, and no imported one.
function(trellis_is_built_here library out)
  set(${out} FALSE PARENT_SCOPE)
  if(TARGET "${library}")
    get_target_property(type "${library}" TYPE)
    get_target_property(imported "${library}" IMPORTED)
    if(type STREQUAL "STATIC_LIBRARY" AND NOT imported)
      set(${out} TRUE PARENT_SCOPE)
    endif()
  endif()
endfunction()

# trellis_add_plugin(name SOURCES <files> [LIBRARIES <libraries>] [CONFORMANCE_SEEDS <number>])
#
# CONFORMANCE_SEEDS: fewer than TRELLIS_CONFORMANCE_SEEDS, for a protocol whose handshake is expensive.
# Builds plugins/<name>.so below the build folder and installs it to lib/trellis/plugins. By the names of the files next
# to the plugin:
#   conformance_test.cc   <name>_conformance, a test of all that the plugin claims (label conformance); it is told where
#                         the plugin is (TRELLIS_PLUGIN_FILE) and where the bundled ones are (TRELLIS_PLUGINS)
#   *_test.cc             <name>_tests, unit tests of its insides with GoogleTest (label <name>)
#   *_fuzz.cc             one libFuzzer program each, when TRELLIS_FUZZ is on
# Unit tests and fuzzers are linked with the plugin's own objects.
function(trellis_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 plugin "" "CONFORMANCE_SEEDS" "SOURCES;LIBRARIES")
  if(NOT plugin_CONFORMANCE_SEEDS)
    set(plugin_CONFORMANCE_SEEDS ${TRELLIS_CONFORMANCE_SEEDS})
  endif()
  if(NOT plugin_SOURCES OR plugin_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "trellis_add_plugin(${name} SOURCES <files> [LIBRARIES <libraries>]): ${plugin_UNPARSED_ARGUMENTS}")
  endif()

  add_library(${name} MODULE ${plugin_SOURCES})
  target_link_libraries(${name} PRIVATE Trellis::api ${plugin_LIBRARIES})
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wconversion)
  if(COMMAND trellis_use_std_headers) # in Trellis' own tree
    trellis_use_std_headers(${name})
  endif()
  # Nodelete: the framework never unloads a plugin, and neither shall the end of a process. The map keeps the classes of
  # libraries, which some headers mark as visible, to the plugin itself.
  target_link_options(${name} PRIVATE -Wl,-z,now -Wl,-z,nodelete
    "-Wl,--version-script=${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map")
  set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Unique symbols would join the globals of plugins that must not know of each other.
    target_compile_options(${name} PRIVATE -fno-gnu-unique)
    # Clang's sanitizers leave their symbols to the program, so there this check must be off.
    target_link_options(${name} PRIVATE -Wl,--no-undefined)
  endif()
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX ".so"
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/plugins"
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
  # What the plugin's own code refers to goes into a section of its file: once libraries are linked in, nothing tells
  # their calls from its own, and the kit's check D6 judges the plugin. Own are its sources and what is built with it.
  set(own "$<TARGET_OBJECTS:${name}>")
  foreach(library IN LISTS plugin_LIBRARIES)
    trellis_is_built_here("${library}" built_here)
    if(built_here)
      list(APPEND own "$<TARGET_OBJECTS:${library}>")
    endif()
  endforeach()
  set(references "${CMAKE_CURRENT_BINARY_DIR}/${name}.references")
  add_custom_command(TARGET ${name} POST_BUILD VERBATIM COMMAND_EXPAND_LISTS
    COMMAND ${CMAKE_NM} --undefined-only --format=just-symbols ${own} > "${references}"
    COMMAND ${CMAKE_OBJCOPY} --add-section ".trellis_references=${references}" "$<TARGET_FILE:${name}>"
    # Plugins that others can write are refused, and with umask 002 a group could.
    COMMAND chmod go-w "$<TARGET_FILE:${name}>" "$<TARGET_FILE_DIR:${name}>")
  install(TARGETS ${name} LIBRARY DESTINATION lib/trellis/plugins)
  install(CODE "execute_process(COMMAND chmod go-w \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/trellis/plugins\"
    COMMAND_ERROR_IS_FATAL ANY)")

  file(GLOB tests CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*_test.cc")
  file(GLOB fuzzers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*_fuzz.cc")
  set(conformance "${CMAKE_CURRENT_SOURCE_DIR}/conformance_test.cc")

  if(conformance IN_LIST tests)
    list(REMOVE_ITEM tests "${conformance}")
    if(TARGET Trellis::conformance AND NOT TRELLIS_FUZZ)
      add_executable(${name}_conformance "${conformance}")
      target_link_libraries(${name}_conformance PRIVATE Trellis::conformance)
      if(NOT Trellis_PLUGIN_DIR)
        set(Trellis_PLUGIN_DIR "${CMAKE_BINARY_DIR}/plugins") # in Trellis' own tree
      endif()
      target_compile_definitions(${name}_conformance PRIVATE
        TRELLIS_PLUGIN_FILE="$<TARGET_FILE:${name}>" TRELLIS_PLUGINS="${Trellis_PLUGIN_DIR}")
      add_dependencies(${name}_conformance ${name})
      add_test(NAME conformance.${name} COMMAND ${name}_conformance --seeds=${plugin_CONFORMANCE_SEEDS})
      # The longest tests begin first.
      set_tests_properties(conformance.${name} PROPERTIES LABELS "conformance;${name}" TIMEOUT 300 COST 100)
    endif()
  endif()

  if(tests AND NOT TRELLIS_FUZZ)
    find_package(GTest REQUIRED)
    include(GoogleTest)
    add_executable(${name}_tests ${tests} $<TARGET_OBJECTS:${name}>)
    target_link_libraries(${name}_tests PRIVATE Trellis::api ${plugin_LIBRARIES} GTest::gmock GTest::gtest_main)
    if(COMMAND trellis_test_program) # in Trellis' own tree
      trellis_test_program(${name}_tests)
    endif()
    gtest_discover_tests(${name}_tests DISCOVERY_MODE PRE_TEST PROPERTIES LABELS ${name} TIMEOUT 120)
  endif()

  if(TRELLIS_FUZZ)
    foreach(source IN LISTS fuzzers)
      cmake_path(GET source STEM fuzzer)
      add_executable(${fuzzer} "${source}" $<TARGET_OBJECTS:${name}>)
      target_link_libraries(${fuzzer} PRIVATE Trellis::api ${plugin_LIBRARIES} -fsanitize=fuzzer)
    endforeach()
  endif()
endfunction()
