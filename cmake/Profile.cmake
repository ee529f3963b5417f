# Profile-guided optimisation, in which bench/profile leads through both steps:
#   CPPX_PROFILE=record   the program counts what it runs, and leaves the counts in build folder/profile
#   CPPX_PROFILE=FILE     it is compiled with what those counts (merged by llvm-profdata) say
# Included before any target is made: llhttp's sources take part.
set(CPPX_PROFILE "" CACHE STRING "\"record\", or a file of what was recorded, to be compiled with")
if(NOT CPPX_PROFILE STREQUAL "")
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "CPPX_PROFILE needs Clang, this is ${CMAKE_CXX_COMPILER_ID}: -DCMAKE_CXX_COMPILER=clang++-19")
  endif()
  if(CPPX_PROFILE STREQUAL "record")
    add_compile_options(-fprofile-generate=${PROJECT_BINARY_DIR}/profile)
    add_link_options(-fprofile-generate=${PROJECT_BINARY_DIR}/profile)
  elseif(EXISTS ${CPPX_PROFILE})
    # What was changed or added since the recording is compiled as ever.
    add_compile_options(
      -fprofile-use=${CPPX_PROFILE} -Wno-profile-instr-unprofiled -Wno-profile-instr-out-of-date -Wno-backend-plugin
    )
  else()
    message(FATAL_ERROR "CPPX_PROFILE=${CPPX_PROFILE}: no such file. bench/profile makes one, and -DCPPX_PROFILE= does without")
  endif()
endif()
