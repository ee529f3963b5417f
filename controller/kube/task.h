#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace cppx::controller {

/// Everything of the controller runs on the one io_context of the control thread.
using Executor = boost::asio::io_context::executor_type;

/// A coroutine of the control thread. Cancelling the TaskGroup it belongs to makes its present
/// await give an error and the next one throw, which unwinds it.
template <class T>
using Task = boost::asio::awaitable<T, Executor>;

/// Completion token: the await gives a tuple with the error code first and does not throw.
inline constexpr auto kAsTuple = boost::asio::as_tuple_t<boost::asio::use_awaitable_t<Executor>>{};

}  // namespace cppx::controller
