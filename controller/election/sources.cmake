# Sources of election/, added to cppx_controller.
target_sources(cppx_controller PRIVATE election/lease.cpp election/leader_elector.cpp)
