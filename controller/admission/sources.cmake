# Sources of admission/, added to cppx_controller.
target_sources(
  cppx_controller
  PRIVATE admission/admission_review.cpp admission/certificate_files.cpp admission/own_certificate.cpp admission/review.cpp
          admission/review_queue.cpp admission/small_store.cpp admission/webhook.cpp admission/webhook_server.cpp
)
