# Sources of kube/, added to cppx_controller.
target_sources(
  cppx_controller
  PRIVATE kube/api_client.cpp kube/api_error.cpp kube/backoff.cpp kube/connection.cpp kube/credentials.cpp
          kube/followed_kind.cpp kube/inflater.cpp kube/json_text.cpp kube/kube_config.cpp kube/kube_source.cpp kube/kube_source_wanted.cpp kube/kubeconfig_file.cpp kube/label_selector.cpp
          kube/line_splitter.cpp kube/list_gate.cpp kube/list_watch.cpp kube/reflector.cpp kube/resource.cpp
          kube/task_group.cpp kube/tls_context.cpp kube/url.cpp kube/watch_event.cpp
)
target_link_libraries(cppx_controller PRIVATE OpenSSL::SSL ZLIB::ZLIB)
