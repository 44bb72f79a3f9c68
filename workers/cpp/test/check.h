#pragma once

#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

// As much of a test framework as these tests need.

struct Test {
  const char* name;
  std::function<void()> run;
};

inline std::vector<Test>& allTests() {
  static std::vector<Test> tests;
  return tests;
}

struct Register {
  Register(const char* name, std::function<void()> run) { allTests().push_back({name, std::move(run)}); }
};

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
/** TEST("what it shows") { … } */
#define TEST(name) DEFINE_TEST_(name, JOIN(test, __COUNTER__))
#define DEFINE_TEST_(name, function)                         \
  static void function();                                    \
  static const Register JOIN(function, Entry)(name, function); \
  static void function()

/** Fails the test, with both values, unless they are equal. */
template <typename A, typename B>
void expectEqual(const A& actual, const B& expected) {
  if (actual == expected) return;
  std::ostringstream text;
  text << "expected " << expected << ", not " << actual;
  throw std::runtime_error(text.str());
}

inline void expectTrue(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(std::string("expected: ") + what);
}

/** @returns what was thrown. Fails the test when nothing of this kind was */
template <typename Error, typename Function>
Error expectThrow(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    return error;
  }
  throw std::runtime_error("expected it to throw");
}
