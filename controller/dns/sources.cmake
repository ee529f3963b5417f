target_sources(cppx_controller PRIVATE)
target_link_libraries(cppx_controller PRIVATE CAres::cares)
