use baton_common::*;
#[test] fn z() {
  for (what,open,close,leaf,ns) in [("loop",r#"{"loopOver":["#,"]}","{}",[10usize,20,40,62]),("child",r#"{"name":"w","tasks":[{"name":"s","subWorkflowParam":{"workflowDefinition":"#,"}}]}","{}",[4,8,16,31])] {
  for n in ns { for kb in [64usize,128,256,512,1024,2048,4096,8192] {
    let text=format!("{}{leaf}{}",open.repeat(n),close.repeat(n));
    let exe=std::env::current_exe().unwrap();
    if std::env::var("ZK").is_ok() {
      if std::env::var("ZK").unwrap()==format!("{what}{n}{kb}") {
       let w=what=="loop";
       std::thread::Builder::new().stack_size(kb*1024).spawn(move|| if w {serde_json::from_str::<WorkflowTask>(&text).unwrap();} else {serde_json::from_str::<WorkflowDef>(&text).unwrap();}).unwrap().join().unwrap(); }
      continue; }
    let ok=std::process::Command::new(exe).env("ZK",format!("{what}{n}{kb}")).output().unwrap().status.success();
    if ok { println!("{what} {n}: {kb}"); break; }
  }}}
}
