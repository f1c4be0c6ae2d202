// Peers that are known by their keys, seen from both ends of real sessions over loopback.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>

#include "longhaul/identity.h"
#include "longhaul/sink.h"
#include "longhaul/source.h"
#include "longhaul/transfer.h"

namespace longhaul {
namespace {

std::string fingerprint_of(const std::string& pem) {
  return fingerprint_of_identity(pem).value_or("");
}

class Trusted : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "lh-trusted-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    for (Options* options : {&listener_, &dialler_}) {
      options->workers = 1;
      options->retry_for_s = 20;
      options->identity_pem = new_identity();
    }
    listener_.trusts = [known = fingerprint_of(dialler_.identity_pem)](const std::string& key) { return key == known; };
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  void listen() {
    auto made = Session::listen(listener_, nullptr, &stop_, directory_);
    ASSERT_TRUE(made) << made.error().text;
    heard_ = std::move(*made);
    receiving_ = std::async(std::launch::async, [this] { return heard_->receive(directory_sink(directory_)); });
  }
  Outcome send(const std::string& ticket) {
    auto dialled = Session::dial(ticket, dialler_, nullptr);
    if (!dialled) return {.ok = false, .error = dialled.error(), .report = {}};
    return (*dialled)->send(memory_source("content", content_));
  }
  Outcome received() {
    Outcome outcome = receiving_.get();
    heard_.reset();
    return outcome;
  }
  Outcome give_up() {
    stop_ = 1;
    return received();
  }

  std::string directory_;
  std::vector<std::byte> content_ = std::vector<std::byte>(1'000'000, std::byte{7});
  Options listener_;
  Options dialler_;
  StopFlag stop_{0};
  std::unique_ptr<Session> heard_;
  std::future<Outcome> receiving_;
};

TEST_F(Trusted, AKnownKeyNeedsNoTicket) {
  listen();
  const std::string ticket = heard_->ticket();
  EXPECT_EQ(ticket.find('#'), std::string::npos) << ticket << ": there is no secret";
  const Outcome sent = send(ticket);
  EXPECT_TRUE(sent.ok) << sent.error.text;
  const Outcome landed = received();
  EXPECT_TRUE(landed.ok) << landed.error.text;
  EXPECT_EQ(landed.report.transfer, sent.report.transfer);
  EXPECT_EQ(std::filesystem::file_size(directory_ + "/content"), content_.size());
}

TEST_F(Trusted, IsDialledByAddressAndFingerprint) {
  listen();
  const std::string ticket = heard_->ticket();
  const std::string address = ticket.substr(11, ticket.find("/?k=") - 11);
  const auto made = ticket_of_trusted({address}, fingerprint_of(listener_.identity_pem));
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ(*made, ticket);
  const Outcome sent = send(*made);
  EXPECT_TRUE(sent.ok) << sent.error.text;
  EXPECT_TRUE(received().ok);
}

TEST_F(Trusted, AnUnknownKeyIsRefusedAndToldWhatWouldHelp) {
  dialler_.identity_pem = new_identity();
  listen();
  const Outcome sent = send(heard_->ticket());
  EXPECT_FALSE(sent.ok);
  EXPECT_EQ(sent.error.code, Code::refused);
  EXPECT_NE(sent.error.text.find("longhaul trust add NAME " + fingerprint_of(dialler_.identity_pem)), std::string::npos)
      << sent.error.text;
  EXPECT_FALSE(give_up().ok);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/content"));
}

TEST_F(Trusted, AnotherListenerAtTheAddressIsNotSpokenTo) {
  listen();
  const std::string ticket = heard_->ticket();
  const std::string address = ticket.substr(11, ticket.find("/?k=") - 11);
  const auto wrong = ticket_of_trusted({address}, fingerprint_of(new_identity()));
  const Outcome sent = send(wrong.value_or(""));
  EXPECT_FALSE(sent.ok);
  EXPECT_NE(sent.error.text.find("not who the ticket names"), std::string::npos) << sent.error.text;
  EXPECT_FALSE(give_up().ok);
}

TEST_F(Trusted, WhoHandsOutTicketsAdmitsNobodyByKey) {
  listener_.trusts = nullptr;
  listen();
  const std::string ticket = heard_->ticket();
  const auto by_key =
      ticket_of_trusted({ticket.substr(11, ticket.find('/', 11) - 11)}, fingerprint_of(listener_.identity_pem));
  const Outcome sent = send(by_key.value_or(""));
  EXPECT_FALSE(sent.ok);
  EXPECT_EQ(sent.error.code, Code::refused);
  EXPECT_NE(sent.error.text.find("tickets only"), std::string::npos) << sent.error.text;
  EXPECT_TRUE(send(ticket).ok) << "and goes on waiting for its ticket";
  EXPECT_TRUE(received().ok);
}

TEST_F(Trusted, WhoTrustsKeysTakesNoTickets) {
  listen();
  const std::string ticket = heard_->ticket();
  const std::string middle = "/" + std::string(32, 'a') + "?x=99999999999,k=" + ticket.substr(ticket.find("k=") + 2);
  const Outcome sent = send(ticket.substr(0, ticket.find("/?k=")) + middle + "#" + std::string(42, 'A') + "A");
  EXPECT_FALSE(sent.ok);
  EXPECT_NE(sent.error.text.find("no tickets"), std::string::npos) << sent.error.text;
  EXPECT_FALSE(give_up().ok);
}

TEST_F(Trusted, WhoIsTrustedNoMoreIsRefusedAtOnce) {
  std::atomic<bool> trusts{false};
  listener_.trusts = [&](const std::string&) { return trusts.load(); };
  listen();
  const std::string ticket = heard_->ticket();
  const Outcome refused = send(ticket);
  EXPECT_EQ(refused.error.code, Code::refused);
  if (refused.ok) return (void)received();
  trusts = true;
  EXPECT_TRUE(send(ticket).ok);
  EXPECT_TRUE(received().ok);
}

}  // namespace
}  // namespace longhaul
