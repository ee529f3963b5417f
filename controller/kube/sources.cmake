# Sources of kube/, added to cppx_controller.
target_sources(cppx_controller PRIVATE)
target_link_libraries(cppx_controller PRIVATE OpenSSL::SSL ZLIB::ZLIB)
