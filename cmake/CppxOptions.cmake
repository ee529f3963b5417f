# What every target of the project is compiled with: the language, the warnings, and the Asio
# macros, which must be equal in all translation units (they change class layouts).
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CPPX_CCACHE ccache)
if(CPPX_CCACHE)
  # A precompiled header's time stamp must not decide whether an object can be taken from the cache,
  # nor the folder that the sources lie in: a second clone hits what the first one compiled.
  set(
    launcher
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=true
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CPPX_CCACHE}
  )
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

add_library(cppx_options INTERFACE)
target_compile_features(cppx_options INTERFACE cxx_std_20)
target_include_directories(cppx_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(
  cppx_options
  INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual
            -fPIE $<$<BOOL:${CPPX_WERROR}>:-Werror> $<$<CXX_COMPILER_ID:Clang>:-Xclang -fno-pch-timestamp>
)
target_compile_definitions(
  cppx_options
  INTERFACE CPPX_VERSION="${PROJECT_VERSION}" BOOST_ASIO_NO_DEPRECATED
            BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=64 BOOST_ASIO_DISABLE_VISIBILITY=1 SPDLOG_FMT_EXTERNAL
)
target_link_options(cppx_options INTERFACE -pie)
target_link_libraries(cppx_options INTERFACE Threads::Threads)
if(CPPX_SANITIZE)
  set(ignores $<$<CXX_COMPILER_ID:Clang>:-fsanitize-ignorelist=${PROJECT_SOURCE_DIR}/cmake/sanitizer_ignores.txt>)
  target_compile_options(
    cppx_options INTERFACE -fsanitize=${CPPX_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer ${ignores}
  )
  target_link_options(cppx_options INTERFACE -fsanitize=${CPPX_SANITIZE})
endif()

# Asio, Beast and nlohmann/json take seconds to parse: targets that use them share one precompiled header.
# The executable exists only so that others can REUSE_FROM it.
function(cppx_asio_pch target)
  if(NOT TARGET cppx_pch)
    file(WRITE ${PROJECT_BINARY_DIR}/pch.cpp "namespace {}\n")
    add_library(cppx_pch OBJECT ${PROJECT_BINARY_DIR}/pch.cpp)
    target_link_libraries(cppx_pch PRIVATE cppx_options Boost::headers OpenSSL::SSL nlohmann_json::nlohmann_json fmt::fmt)
    target_precompile_headers(
      cppx_pch PRIVATE <boost/asio.hpp> <boost/asio/ssl.hpp> <boost/asio/experimental/awaitable_operators.hpp> <boost/beast.hpp> <nlohmann/json.hpp> <fmt/format.h>
    )
  endif()
  target_precompile_headers(${target} REUSE_FROM cppx_pch)
endfunction()

# cppx_test(NAME [LINK target...] SOURCES file...): a Catch2 executable whose cases CTest knows.
function(cppx_test name)
  cmake_parse_arguments(arg "ASIO" "" "LINK;SOURCES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE cppx_options ${arg_LINK} Catch2::Catch2WithMain)
  if(arg_ASIO)
    cppx_asio_pch(${name})
  endif()
  catch_discover_tests(${name} DISCOVERY_MODE PRE_TEST)
endfunction()
