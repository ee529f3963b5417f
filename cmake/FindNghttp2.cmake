# Finds nghttp2 and gives the target Nghttp2::nghttp2.
#
# Asks for nghttp2_option_set_max_continuations() too, which came with the security fixes of 2024
# (1.61) and which distributions brought to their older versions: without it a client could keep a
# head going for ever.
find_path(Nghttp2_INCLUDE_DIR nghttp2/nghttp2.h)
find_library(Nghttp2_LIBRARY nghttp2)

if(Nghttp2_INCLUDE_DIR)
  file(STRINGS ${Nghttp2_INCLUDE_DIR}/nghttp2/nghttp2ver.h line REGEX "#define NGHTTP2_VERSION ")
  string(REGEX REPLACE "[^0-9.]*2_VERSION \"([0-9.]+).*" "\\1" Nghttp2_VERSION "${line}")
  file(STRINGS ${Nghttp2_INCLUDE_DIR}/nghttp2/nghttp2.h Nghttp2_FIXED REGEX "nghttp2_option_set_max_continuations")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  Nghttp2 REQUIRED_VARS Nghttp2_LIBRARY Nghttp2_INCLUDE_DIR Nghttp2_FIXED VERSION_VAR Nghttp2_VERSION
)
if(Nghttp2_FOUND AND NOT TARGET Nghttp2::nghttp2)
  add_library(Nghttp2::nghttp2 UNKNOWN IMPORTED)
  set_target_properties(
    Nghttp2::nghttp2 PROPERTIES IMPORTED_LOCATION ${Nghttp2_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES
                                                                     ${Nghttp2_INCLUDE_DIR}
  )
endif()
mark_as_advanced(Nghttp2_INCLUDE_DIR Nghttp2_LIBRARY)
