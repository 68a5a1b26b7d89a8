// nginx_server.h: nginx as one process with everything in a directory of its own, and a page for it to give.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "cli/tool.h"

namespace trellis::test {

/// Servers are not in everybody's PATH.
inline void find_servers() {
  const std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
  ::setenv("PATH", (path + ":/usr/sbin:/usr/local/sbin").c_str(), 1);
}

/// Makes the folder pages, with about so many bytes in page.txt; returns these.
inline std::string write_pages(const TemporaryDirectory& directory, std::size_t bytes = 3'000'000) {
  const std::string pages = directory.path() + "/pages";
  std::filesystem::create_directory(pages);
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) text += std::to_string(i) + (i % 20 == 19 ? '\n' : ' ');
  std::ofstream(pages + "/page.txt") << text;
  return text;
}

/// `settings`: of its server block, "listen 127.0.0.1:8080; root pages;". Nginx cannot say which port the system chose,
/// so it is given one that was free a moment ago.
inline std::unique_ptr<Process> start_nginx(const TemporaryDirectory& directory, const std::string& settings) {
  const std::string configuration = R"(
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {)" + settings + "}\n}\n";
  const std::string file_name = directory.write("nginx.conf", configuration);
  auto server = std::make_unique<Process>(
      std::vector<std::string>{"nginx", "-e", "stderr", "-p", directory.path() + "/", "-c", file_name},
      file("/dev/null"));
  // It says so after it has begun to listen.
  EXPECT_TRUE(server->wait_error("using the \"epoll\" event method")) << server->error();
  return server;
}

}  // namespace trellis::test
