# Sources of dns/, added to cppx_controller.
target_sources(
  cppx_controller PRIVATE dns/ares_channel.cpp dns/name_resolver.cpp dns/resolve_host.cpp
)
target_link_libraries(cppx_controller PRIVATE CAres::cares)
