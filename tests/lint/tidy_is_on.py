#!/usr/bin/env python3
"""Shows that the checks in .clang-tidy are really on: known sins go in, each must be reported as an error by its name.

A missing comma in a list of checks switches two of them off without a word; this test is the word.
Prints "N passed, N failed, N skipped"; exit status 77 where clang-tidy-19 is missing.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIDY = "clang-tidy-19"

# One sin or more for every family of checks that we rely on: check name -> source.
SINS = {
    "bugprone-use-after-move":
        "#include <string>\n#include <utility>\nvoid take(std::string);\nvoid f(std::string a) {\n  take(std::move(a));\n  take(a);\n}\n",
    "bugprone-suspicious-memset-usage": "#include <cstring>\nvoid f(int* p) { std::memset(p, '0', 4); }\n",
    "bugprone-sizeof-expression": "unsigned long f() { return sizeof(sizeof(int)); }\n",
    "bugprone-integer-division": "double f(int a, int b) { return static_cast<double>(1) + a / b; }\n",
    "bugprone-dangling-handle":
        "#include <string>\n#include <string_view>\nstd::string g();\nvoid f() { const std::string_view view = g(); (void)view; }\n",
    "bugprone-empty-catch": "void g();\nvoid f() {\n  try {\n    g();\n  } catch (...) {\n  }\n}\n",
    "bugprone-macro-parentheses": "#define LH_TWICE(x) (x * 2)\n",
    "bugprone-unused-raii":
        "#include <mutex>\nvoid f(std::mutex& m) {\n  std::lock_guard<std::mutex>{m};\n  m.native_handle();\n}\n",
    "performance-for-range-copy":
        "#include <string>\n#include <vector>\nunsigned long f(const std::vector<std::string>& all) {\n"
        "  unsigned long n = 0;\n  for (const auto one : all) n += one.size();\n  return n;\n}\n",
    "performance-unnecessary-value-param":
        "#include <string>\nunsigned long f(std::string a) {\n  return a.size();\n}\n",
    "performance-noexcept-move-constructor":
        "struct A {\n  A(A&& other) : value(other.value) {}\n  int value;\n};\n",
    "clang-analyzer-core.NullDereference": "int f() {\n  int* p = nullptr;\n  return *p;\n}\n",
    "clang-analyzer-cplusplus.NewDeleteLeaks": "void f() {\n  int* p = new int(1);\n  (void)*p;\n}\n",
    "clang-analyzer-core.DivideZero": "int f(int a) {\n  const int zero = 0;\n  return a / zero;\n}\n",
    "cppcoreguidelines-init-variables": "void g(int*);\nvoid f() {\n  int x;\n  g(&x);\n}\n",
    "cppcoreguidelines-slicing":
        "struct A { int a = 0; };\nstruct B : A { int b = 0; };\nvoid g(A);\nvoid f(const B& b) { g(b); }\n",
    "cppcoreguidelines-virtual-class-destructor": "class A {\n public:\n  virtual void f();\n};\n",
    "google-explicit-constructor": "struct A {\n  A(int value);\n};\n",
    "google-build-using-namespace": "#include <string>\nusing namespace std;\n",
    "misc-unused-parameters": "void g();\nvoid f(int unused) { g(); }\n",
    "misc-unused-using-decls": "namespace a {\nstruct B {};\n}\nusing a::B;\n",
    "misc-redundant-expression": "bool f(int a) { return a == a; }\n",
    "misc-throw-by-value-catch-by-reference":
        "#include <stdexcept>\nvoid g();\nvoid f() {\n  try {\n    g();\n  } catch (std::runtime_error e) {\n    g();\n  }\n}\n",
    "modernize-use-nullptr": "int* f() { return 0; }\n",
    "modernize-use-override": "struct A { virtual ~A(); virtual void f(); };\nstruct B : A { virtual void f(); };\n",
    "modernize-use-using": "typedef int Number;\n",
    "modernize-use-equals-default": "struct A {\n  A();\n};\nA::A() {}\n",
    "modernize-make-unique": "#include <memory>\nauto f() { return std::unique_ptr<int>(new int(1)); }\n",
    "modernize-deprecated-headers": "#include <string.h>\n",
    "readability-container-size-empty":
        "#include <vector>\nbool f(const std::vector<int>& all) { return all.size() == 0; }\n",
    "readability-duplicate-include": "#include <vector>\n#include <vector>\n",
    "readability-inconsistent-declaration-parameter-name": "void f(int left);\nvoid f(int right) { (void)right; }\n",
    "readability-misleading-indentation": "void g();\nvoid f(bool a) {\n  if (a)\n    g();\n    g();\n}\n",
    "readability-redundant-control-flow": "void g();\nvoid f() {\n  g();\n  return;\n}\n",
    "readability-function-size": "void g();\nvoid f() {\n" + "  g();\n" * 85 + "}\n",
    "readability-identifier-naming": "struct lower_case {};\n",
    "clang-diagnostic-unused-variable": "void f() { const int unused = 1; }\n",
}
# Each breaks one rule of our naming; all must be reported.
NAMES = {
    "function": "void doIt();\n",
    "variable": "int TheCount = 0;\n",
    "constant": "constexpr int kLimit = 1;\n",
    "enum constant": "enum class Kind { First };\n",
    "private member without underscore": "class A {\n  int value = 0;\n};\n",
    "macro without our prefix": "#define CHECK_IT 1\n",
    "namespace": "namespace Upper {}\n",
    "type alias": "using lower = int;\n",
}
CLEAN = """#include <expected>
#include <string>
#include <utility>

namespace longhaul::example {

constexpr int count_max = 3;
enum class State { reading, done };

class Counter {
 public:
  explicit Counter(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] std::expected<int, std::string> add(int more) {
    if (count_ + more > count_max) return std::unexpected(name_ + " is full");
    count_ += more;
    state_ = count_ == count_max ? State::done : State::reading;
    return count_;
  }

 private:
  std::string name_;
  int count_ = 0;
  State state_ = State::reading;
};

}  // namespace longhaul::example

int main() { return longhaul::example::Counter("a").add(2).value_or(0); }
"""


def run_tidy(scratch, number, source):
    path = pathlib.Path(scratch) / f"sin{number}.cc"
    path.write_text(source)
    command = [TIDY, "--quiet", f"--config-file={ROOT / '.clang-tidy'}", str(path), "--", "-std=c++2b", "-Wall"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def has(output, check):
    return re.search(rf"error: .*\[[^\]]*\b{re.escape(check)}\b", output) is not None


def main():
    if shutil.which(TIDY) is None:
        print(f"skipped: {TIDY} is not installed (tools/setup installs it)")
        print("0 passed, 0 failed, 1 skipped")
        return 77
    cases = [(f"{check} is on", source, check) for check, source in SINS.items()]
    cases += [(f"naming: {what}", source, "readability-identifier-naming") for what, source in NAMES.items()]
    cases += [("a clean file passes", CLEAN, None)]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="longhaul-tidy-") as scratch, \
         concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(run_tidy, scratch, number, source) for number, (_, source, _) in enumerate(cases)]
        for (name, _, check), run in zip(cases, runs):
            status, output = run.result()
            right = (status == 0 and "error:" not in output) if check is None else (status != 0 and has(output, check))
            if not right:
                failed += 1
                print(f"not so: {name}; clang-tidy said:\n{output or '(nothing)'}")
    config = subprocess.run([TIDY, "--verify-config", f"--config-file={ROOT / '.clang-tidy'}"], capture_output=True, text=True)
    if config.returncode != 0 or "No config errors" not in config.stdout + config.stderr:
        failed += 1
        print(f"not so: .clang-tidy names only checks and options that exist\n{config.stdout}{config.stderr}")
    print(f"{len(cases) + 1 - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
