# Finds llhttp and gives the target Llhttp::llhttp.
#
# Debian 12 ships it as sources (package node-llhttp): those are compiled here, with
# LLHTTP_STRICT_MODE=1, without which 8.1 takes a bare CR for a line end. Debian 13 and others ship
# a library (libllhttp-dev) of version 9, which is strict on its own.
find_path(Llhttp_INCLUDE_DIR llhttp.h PATH_SUFFIXES llhttp PATHS /usr/include /usr/share/include)
find_library(Llhttp_LIBRARY llhttp)
find_path(Llhttp_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp)

if(Llhttp_INCLUDE_DIR)
  file(STRINGS ${Llhttp_INCLUDE_DIR}/llhttp.h lines REGEX "#define LLHTTP_VERSION_(MAJOR|MINOR|PATCH)")
  string(REGEX REPLACE "[^0-9;]" "" numbers "${lines}")
  string(REPLACE ";" "." Llhttp_VERSION "${numbers}")
endif()
if(NOT Llhttp_LIBRARY AND Llhttp_SOURCE_DIR)
  set(Llhttp_LIBRARY ${Llhttp_SOURCE_DIR}/llhttp.c)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  Llhttp REQUIRED_VARS Llhttp_LIBRARY Llhttp_INCLUDE_DIR VERSION_VAR Llhttp_VERSION
)
if(Llhttp_FOUND AND NOT TARGET Llhttp::llhttp)
  if(Llhttp_SOURCE_DIR)
    set(sources ${Llhttp_SOURCE_DIR}/llhttp.c ${Llhttp_SOURCE_DIR}/api.c ${Llhttp_SOURCE_DIR}/http.c)
    add_library(llhttp_strict STATIC ${sources})
    target_compile_definitions(llhttp_strict PUBLIC LLHTTP_STRICT_MODE=1)
    target_include_directories(llhttp_strict SYSTEM PUBLIC ${Llhttp_INCLUDE_DIR})
    set_target_properties(llhttp_strict PROPERTIES C_CLANG_TIDY "" UNITY_BUILD OFF POSITION_INDEPENDENT_CODE ON)
    target_compile_options(llhttp_strict PRIVATE -O2 -w)
    add_library(Llhttp::llhttp ALIAS llhttp_strict)
  else()
    add_library(Llhttp::llhttp UNKNOWN IMPORTED)
    set_target_properties(
      Llhttp::llhttp PROPERTIES IMPORTED_LOCATION ${Llhttp_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES
                                                                    ${Llhttp_INCLUDE_DIR}
    )
  endif()
endif()
mark_as_advanced(Llhttp_INCLUDE_DIR Llhttp_LIBRARY Llhttp_SOURCE_DIR)
