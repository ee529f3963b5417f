# Sources of duties/, added to cppx_controller.
target_sources(cppx_controller PRIVATE duties/duties.cpp duties/note_maker.cpp)
