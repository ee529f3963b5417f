# Some compilers (g++ 12) miscompile a co_await in a condition when the coroutine has no local
# variable. A compiler that does would break the proxy silently, so it is refused here.
if(NOT DEFINED CPPX_COROUTINES_OK)
  try_run(
    CPPX_COROUTINES_RUN CPPX_COROUTINES_COMPILED ${PROJECT_BINARY_DIR}/check_coroutines
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/check_coroutines.cpp
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON
    COMPILE_OUTPUT_VARIABLE compile_output
  )
  if(NOT CPPX_COROUTINES_COMPILED OR NOT CPPX_COROUTINES_RUN EQUAL 0)
    message(FATAL_ERROR "This compiler (${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}) gets C++20 coroutines "
                        "wrong. Use Clang 16 or later, or GCC 13 or later: -DCMAKE_CXX_COMPILER=clang++-19\n${compile_output}")
  endif()
  set(CPPX_COROUTINES_OK TRUE CACHE INTERNAL "")
endif()
